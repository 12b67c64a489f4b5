"""Packages that only some recipes and commands need: the extras of `pyproject.toml`."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.machinery import ModuleSpec
from types import ModuleType

from mmjax.errors import UserError


class MissingExtra(UserError, ImportError):
    """A package of an extra is not installed; the message says how to get it.

    No fault of an example's: nothing takes it for a bad row that could be left out.
    """


def find(package: str, extra: str, what: str, instead: str = "") -> ModuleSpec:
    """Where a package is, which is not imported.

    Args:
      package: its name, without submodules.
      extra: of `pyproject.toml`, that brings it.
      what: what needs it, as the subject of the message.
      instead: a phrase on what else would do, that ends the message.

    Raises:
      MissingExtra: if it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise MissingExtra(
            f"{what} needs the package {package}: pip install 'mmjax[{extra}]'"
            + (f", {instead}" if instead else "")
        )
    return spec


def needs(package: str, extra: str, what: str, instead: str = "") -> ModuleType:
    """The package, imported; arguments and errors as for `find`."""
    find(package, extra, what, instead)
    return importlib.import_module(package)

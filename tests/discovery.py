"""Finds what the files of a folder offer, so that no list of them has to be kept."""

import importlib
import pkgutil


def offers(package, path, attribute):
    """What the modules of a package have under one name; one that cannot be read is left out.

    Args:
      package: name of the package.
      path: its `__path__`.
      attribute: the name, the same in every module.

    Returns:
      (module -> value, module -> the error of one that cannot be read).
    """
    found, broken = {}, {}
    for module in sorted(each.name for each in pkgutil.iter_modules(path)):
        try:
            found[module] = getattr(importlib.import_module(f"{package}.{module}"), attribute)
        except Exception as error:
            broken[module] = error
    return found, broken

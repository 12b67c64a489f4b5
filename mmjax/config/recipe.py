"""From a recipe's file and overrides on the command line to a checked config.

Overrides are read here rather than by `ml_collections.config_flags`, which knows only the leaves
that a file spells out: here any key of the schema can be set, and a wrong one ends in a sentence.
"""

import ast
import difflib
import importlib.util
import types
from collections.abc import Iterable
from pathlib import Path

import ml_collections

from mmjax.config.components import complete
from mmjax.config.errors import ConfigError, NoVariant
from mmjax.config.values import plain


def load(path: str, overrides: Iterable[str] = ()) -> ml_collections.ConfigDict:
    """Reads a recipe, applies overrides, checks it and completes its defaults.

    Args:
      path: `configs/clip.py` or `configs/clip.py:paper`; the part after the colon is the variant.
      overrides: `a.b=value` each; a value is a Python literal, or else a string.

    Returns:
      The whole config.

    Raises:
      ConfigError: in one sentence, for a file, a variant or a key that cannot be.
    """
    file, _, variant = path.partition(":")
    recipe = _recipe(file)
    try:
        config = recipe.get_config(variant or "small")
    except KeyError as error:
        raise NoVariant(f"{file} has no variant {error}") from error
    tree = plain(config)
    for override in overrides:
        set_key(tree, override, file)
    return ml_collections.ConfigDict(complete(tree, file))


def _recipe(file: str) -> types.ModuleType:
    if not Path(file).is_file():
        near = difflib.get_close_matches(
            Path(file).name, [p.name for p in Path(file).parent.glob("*.py")], 1
        )
        hint = f"; did you mean {Path(file).parent / near[0]}?" if near else ""
        raise ConfigError(f"there is no config file {file}{hint}")
    spec = importlib.util.spec_from_file_location(f"mmjax_recipe_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{file} has no function get_config(variant), so it is not a recipe")
    return module


def set_key(tree: dict, override: str, file: str) -> None:
    """Applies the override `a.b=value` to a plain config, in place."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"override {override!r} is not of the form --config.key=value")
    try:
        value = plain(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    keys = path.split(".")
    for depth, key in enumerate(keys[:-1]):
        child = tree.get(key)
        if child is None:
            child = tree[key] = {}
        if not isinstance(child, dict):
            name = ".".join(keys[: depth + 1])
            raise ConfigError(f"{file}: {name!r} is not a section, so {path!r} cannot be set")
        tree = child
    tree[keys[-1]] = value

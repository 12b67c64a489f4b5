"""Loads a recipe from its file and command-line overrides, and validates it.

Overrides are read here rather than by `ml_collections.config_flags`, which knows only the leaves
that a file spells out: here any key of the schema can be set, and a wrong one ends in a sentence.
"""

import ast
import traceback
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmjax.errors import ConfigError, NoVariant, nearest, unknown
from mmjax.recipe import stages as stages_lib
from mmjax.recipe import words
from mmjax.recipe.changes import holds_components
from mmjax.recipe.complete import complete
from mmjax.recipe.find import find
from mmjax.recipe.sections import Recipe
from mmjax.schema.values import plain


def load(path: str, overrides: Iterable[str] = ()) -> Recipe:
    """Reads a recipe, applies overrides, checks it and completes its defaults.

    Args:
      path: `configs/clip.py` or `configs/clip.py:paper`, where the part after the colon is the
        variant, by default the first; or the name of a recipe, as `find` takes it.
      overrides: `a.b=value` each; a value is a Python literal, or else a string.

    Returns:
      The whole recipe.

    Raises:
      ConfigError: in one sentence, for a file, a variant or a key that cannot be.
    """
    (file, _), tree = find(path), given(path)
    for override in overrides:
        set_key(tree, override, file)
    return complete(tree, file)


def given(path: str) -> dict[str, Any]:
    """A recipe as its file gives it: plain, neither checked nor completed.

    Where the file registers words that the recipe uses, `imports` names it.

    Args:
      path: as for `load`.
    """
    file, variant = find(path)
    make = _recipe(file).get_config
    # What `variants` of the recipes' helpers makes knows them, the first of which is the default;
    # another function takes what it will.
    known = getattr(make, "variants", (variant or "small",))
    variant = variant or known[0]
    if variant not in known:
        near = nearest(variant, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise NoVariant(f"{file} has no variant {variant!r}{hint} (valid: {', '.join(known)})")
    try:
        tree = plain(make(variant))
    except KeyError as error:
        if error.args == (variant,):
            raise NoVariant(f"{file} has no variant {variant!r}") from error
        raise in_file(file, error) from error
    except ConfigError:
        raise
    except Exception as error:
        raise in_file(file, error) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{file}: get_config({variant!r}) should return a ConfigDict")
    brought = words.outside(tree)
    if brought:
        tree["imports"] = tuple(dict.fromkeys((*tree.get("imports", ()), *brought)))
    return tree


def _recipe(file: str) -> types.ModuleType:
    module = module_of(file)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{file} has no function get_config(variant), so it is not a recipe")
    return module


def module_of(file: str) -> types.ModuleType:
    """The Python file of a recipe, or of an experiment, as a module."""
    if not Path(file).is_file():
        near = nearest(Path(file).name, sorted(p.name for p in Path(file).parent.glob("*.py")))
        hint = f"; did you mean {Path(file).parent / near}?" if near else ""
        raise ConfigError(f"there is no config file {file}{hint}")
    if Path(file).suffix != ".py":
        raise ConfigError(f"{file} is no recipe: a recipe is a Python file")
    try:
        return words.module_of(Path(file))
    except Exception as error:
        raise in_file(file, error) from error


def in_file(file: str, error: Exception) -> ConfigError:
    """What the Python of a recipe's file raised, with the place in it."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return ConfigError(f"{error.filename}, line {error.lineno}: {error.msg}")
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(file).absolute())  # as Python names it, however the command does
    lines = [frame.lineno for frame in frames if frame.filename in (file, here)]
    place = f"{file}, line {lines[-1]}" if lines else f"{file} is no recipe in Python"
    if lines and frames[-1].filename not in (file, here):
        text += f" (raised in {frames[-1].filename}, line {frames[-1].lineno})"
    return ConfigError(f"{place}: {text}")


def value_of(text: str) -> Any:
    """What the text of an override means: a Python literal, or else a string."""
    try:
        return plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def set_key(
    tree: dict[str, Any], override: str, file: str, base: Mapping[str, Any] | None = None
) -> None:
    """Applies the override `a.b=value` in place.

    Args:
      tree: a plain config, or the changes of a stage.
      override: as a command line has it, without `--config.`.
      file: of the recipe, for messages.
      base: the config that the stage changes.
    """
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"override {override!r} is not of the form --config.key=value")
    value = value_of(text)
    keys = path.split(".")
    if keys[0] == "stages" and len(keys) > 1:
        _set_in_stage(tree, keys[1], ".".join(keys[2:]), text, value, file)
        return
    for depth, key in enumerate(keys[:-1]):
        child = tree.get(key)
        if child is None:
            child = tree[key] = {}
        if not isinstance(child, dict):
            name = ".".join(keys[: depth + 1])
            raise ConfigError(f"{file}: {name!r} is not a section, so {path!r} cannot be set")
        tree = child
        base = (base or {}).get(key)
        base = base if isinstance(base, dict) else None
    known = {**(base or {}), **tree}
    if value is None and keys[-1] not in known and holds_components(".".join(keys[:-1])):
        raise unknown(keys[-1], known, ".".join(keys[:-1]), file)
    tree[keys[-1]] = value


def _set_in_stage(
    tree: dict[str, Any], name: str, path: str, text: str, value: Any, file: str
) -> None:
    """Applies `stages.<name>.a.b=value`, or `stages.<name>=value`, which is a whole stage."""
    stages = list(tree.get("stages") or ())
    place = stages_lib.find(stages, name, file)
    if path:
        stages[place] = dict(stages[place])
        set_key(stages[place], f"{path}={text}", f"{file}, stage {name!r}", tree)
    elif value is None or isinstance(value, dict):
        stages[place] = value and {"name": name, **value}
    else:
        raise ConfigError(f"{file}: 'stages.{name}' should be a dict of keys, not {value!r}")
    tree["stages"] = tuple(stages)

"""Saved configs of runs, and the differences of two configs."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.errors import ConfigError
from mmjax.files import DamagedFile, read_json
from mmjax.recipe import words
from mmjax.recipe.complete import complete
from mmjax.recipe.sections import Recipe
from mmjax.schema.values import plain

# Keys that change how a run is carried out but not what it computes, so that a run may be resumed
# under other values of them.
OPERATIONAL = (
    "mesh", "pairwise", "checkpoints", "log_every", "evaluate_every", "evaluators", "microbatches",
    "imports", "data.workers", "data.prefetch", "data.max_bad_fraction",
)  # fmt: skip
# Keys that earlier versions had.
_OLD = ("claim",)


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """The leaves in which two recipes differ, operational keys left out, as `key: old -> new`."""
    old, new, found = plain(old), plain(new), []
    for key in sorted({*old, *new}):
        path = f"{where}.{key}" if where else key
        if re.sub(r"^stages\.[^.]+\.", "", path) in OPERATIONAL:
            continue
        a, b = old.get(key, "(not set)"), new.get(key, "(not set)")
        if path == "stages":
            found += _of_stages(a, b)
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, path)
        elif _json(a) != _json(b):
            found.append(f"{path}: {_json(a)} -> {_json(b)}")
    return found


def _of_stages(old: Any, new: Any) -> list[str]:
    """The leaves in which stages of one name differ, and the names where those do."""
    old, new = (() if value == "(not set)" else value for value in (old, new))
    names = [[stage["name"] for stage in stages] for stages in (old, new)]
    if names[0] != names[1]:
        return [f"stages: {_json(names[0])} -> {_json(names[1])}"]
    pairs = zip(names[0], old, new, strict=True)
    return [each for name, a, b in pairs for each in differences(a, b, f"stages.{name}")]


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def dump(recipe: Recipe) -> str:
    """The recipe as JSON text, readable and with keys in order."""
    return json.dumps(recipe.plain(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read(file: Path) -> Recipe:
    """A recipe that `dump` wrote, whole: keys that are newer than the file have their defaults.

    Raises:
      DamagedFile: when the file holds no JSON object.
      ConfigError: when it has keys that this version does not know.
    """
    return of_json(read_json(file), str(file))


def of_json(tree: Any, file: str) -> Recipe:
    """A recipe from what JSON text of `dump` holds.

    Args:
      tree: the parsed text.
      file: that it is of, for messages.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{file} is damaged: it has to hold the keys of a recipe")
    words.check_outside(words.imported(tree, file), Path(file).parent, file)
    return complete({key: value for key, value in tree.items() if key not in _OLD}, file)


def same(file: Path, recipe: Recipe) -> bool:
    """Whether a recipe that `dump` wrote, read as `read` does, is the same in every key.

    Raises:
      DamagedFile: when the file holds no JSON object.
    """
    try:
        return dump(read(file)) == dump(recipe)
    except DamagedFile:
        raise
    except ConfigError:  # of a version with other keys
        return False

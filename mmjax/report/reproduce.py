"""Differences of a run from its recipe, and the command that reproduces it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmjax import recipe as recipe_lib
from mmjax.recipe.find import find
from mmjax.recipe.load import value_of

_ABSENT = object()
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Change(NamedTuple):
    """A key that the run sets otherwise than the recipe; `before` is None if it is new."""

    key: str
    before: Any
    after: Any


class Origin(NamedTuple):
    """The recipe of a run.

    Attributes:
      file: where it is, as it is named in a command.
      variant: with which the run is compared: its own, or `small` if the recipe has no such one, as
        in an experiment, whose changes are then among the others.
      changes: what the run sets otherwise; None if the recipe could not be read.
      trouble: why it could not be read; empty otherwise.
    """

    file: str
    variant: str
    changes: list[Change] | None
    trouble: str


def recipe_of(stored: Mapping[str, Any]) -> Origin:
    """Compares a run's config with its recipe as it is now.

    Args:
      stored: the keys of a run's `config.json`.
    """
    name = str(stored.get("recipe", ""))
    named = f"configs/{name}.py"
    variant = str(stored.get("variant", "small"))
    if not _NAME.fullmatch(name):
        return Origin(named, variant, None, f"{name!r} is no name of a recipe")
    if not _NAME.fullmatch(variant):
        return Origin(named, "small", None, f"{variant!r} is no name of a variant")
    try:
        file, _ = find(named)
    except recipe_lib.ConfigError:
        return Origin(named, variant, None, f"there is no {named} where this page was written")
    try:
        try:
            plain = recipe_lib.load(f"{file}:{variant}").plain()
        except recipe_lib.NoVariant:
            variant = "small"
            plain = recipe_lib.load(f"{file}:{variant}").plain()
    except Exception as error:  # a recipe is code of anyone's, and the page is worth more than it
        return Origin(named, variant, None, f"{named} cannot be read any more ({error})")
    # As it would come back from config.json: lists for tuples.
    before = json.loads(json.dumps(plain))
    after = json.loads(json.dumps(stored))
    return Origin(named, variant, list(_changes(before, after)), "")


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], where: str = ""
) -> Iterator[Change]:
    """The fewest overrides that turn one config into the other.

    An override can set a key but not take one away. So a section that lost keys, as by another
    `type`, is given whole.
    """
    for key in sorted({*before, *after}):
        path = f"{where}.{key}" if where else key
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if new is _ABSENT:
            if where == "objectives":  # here None takes a term away
                yield Change(path, old, None)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            lost = not set(old) <= set(new) and path != "objectives"
            if lost or old.get("type") != new.get("type"):
                yield Change(path, old, new)
            else:
                yield from _changes(old, new, path)
        elif old != new or isinstance(old, bool) != isinstance(new, bool):
            yield Change(path, None if old is _ABSENT else old, new)


def command(stored: Mapping[str, Any], recipe: Origin) -> str:
    """The command line that trains the same config again."""
    words = [f"--config={recipe.file}:{recipe.variant}"]
    words += [f"--config.{change.key}={literal(change.after)}" for change in recipe.changes or []]
    return " \\\n    ".join(["python -m mmjax.main", *map(shlex.quote, words)])


def literal(value: Any) -> str:
    """A value as an override gives it; a string is bare unless it would be read as a literal.

    Or unless it holds control characters, which a terminal would obey.
    """
    bare = isinstance(value, str) and value.isprintable() and value_of(value) == value
    return value if bare else repr(value)

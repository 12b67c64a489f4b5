"""`stages`: a recipe in phases, each of them the recipe with some keys changed.

    "stages": (
        {"name": "pretrain", "steps": 600},
        {"name": "refine", "steps": 150, "data": {"source": {"split": "tune"}},
         "objectives": {"clip": None, "rafa": {"type": "rafa"}}},
    )

A stage says what it changes of the rest of the config, which all stages share: sections are
merged key by key, a component of another `type` replaces the old one, and None takes a named
component (an objective, a tower, a view, an evaluator) away. Its own keys, beside `name`, are those
of `mmjax.recipe.sections.Stage`: what starts anew. On the command line a stage's keys are set by
its name, `--config.stages.refine.steps=300`; `--config.stages.refine=None` leaves it out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.recipe.sections import Stage
from mmjax.schema.values import fill, plain, section_of

# One for the whole run: which recipe it is, where it runs, and how it is kept.
OF_THE_RUN = ("recipe", "variant", "paper", "seed", "mesh", "checkpoints", "claim", "stages")
OWN = tuple(Stage.__dataclass_fields__)
# Sections of named components, of which None takes one away.
_NAMED = re.compile(
    r"objectives|data\.views|model\.adapters|model\.towers(\.[^.]+)?|evaluators(\.[^.]+)?"
)


def stage_configs(config: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(the stage's own keys, its whole config) of every stage, in their order.

    The configs are without stages themselves. A recipe without stages is one stage, whose name is
    None.

    Args:
      config: a config, whole or as a recipe gives it.
    """
    config = plain(config)
    stages = config.get("stages") or ()
    config["stages"] = ()
    if not stages:
        return [({"name": None, "fresh": (), "scale": (), "keep_optimizer": False}, config)]
    return [
        (_own(each), merge(config, {key: v for key, v in each.items() if key not in OWN}))
        for each in stages
    ]


def _own(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {key: stage[key] for key in OWN if key in stage}


def read(stages: Any, file: str) -> tuple[dict[str, Any], ...]:
    """The stages of a recipe as plain dicts with their own keys completed.

    Raises:
      ConfigError: for names that are no names or not different, and for keys of the whole run.
    """
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        raise ConfigError(f"{file}: 'stages' should be a tuple of dicts, each with a 'name'")
    from mmjax.evaluators import EVALUATORS  # imported here: it imports this package

    reserved = {*EVALUATORS, "train", "best"}
    found: list[dict[str, Any]] = []
    for i, stage in enumerate(plain(stages)):
        if stage is None:  # left out by an override
            continue
        own = fill(Stage, _own(section_of(stage, f"stages[{i}]", file)), f"stages[{i}]", file)
        name = own["name"]
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            raise ConfigError(
                f"{file}: the name of a stage should be a letter and then letters, digits, '_' or "
                f"'-', but 'stages[{i}].name' is {name!r}"
            )
        if name in reserved:
            raise ConfigError(
                f"{file}: a stage cannot have the name {name!r}, with which names of metrics begin"
            )
        if name in [each["name"] for each in found]:
            raise ConfigError(f"{file}: two stages have the name {name!r}")
        for key in stage:
            if key in OF_THE_RUN:
                raise ConfigError(
                    f"{file}: 'stages.{name}.{key}' cannot be: {key!r} is of the whole run, so set "
                    "it outside of 'stages'"
                )
        found.append({**stage, **own})
    return tuple(found)


def find(stages: Any, name: str, file: str) -> int:
    """The place of a stage among those of a recipe."""
    names = [each.get("name") for each in stages if isinstance(each, Mapping)]
    if name not in names:
        raise unknown(name, map(str, names), "stages", file, "stage")
    return next(i for i, s in enumerate(stages) if isinstance(s, Mapping) and s["name"] == name)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """`base` with `changes`, as the module says."""
    merged = dict(base)
    for key, new in changes.items():
        path, old = f"{where}.{key}" if where else key, base.get(key)
        if new is None and isinstance(old, Mapping) and _removable(where, base):
            del merged[key]
        elif (
            isinstance(old, Mapping) and isinstance(new, Mapping) and not _replaces(old, new, path)
        ):
            merged[key] = merge(old, new, path)
        else:
            merged[key] = new
    return merged


def changes(base: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """What `merge` turns `base` into `other` with."""
    found: dict[str, Any] = {}
    for key in [*base, *(key for key in other if key not in base)]:
        path = f"{where}.{key}" if where else key
        old = base.get(key)
        if key not in other:
            if not _removable(where, base):
                raise ValueError(f"{path} cannot be taken away")
            found[key] = None
            continue
        new = other[key]
        if key in base and old == new and isinstance(old, bool) == isinstance(new, bool):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and not _replaces(old, new, path):
            found[key] = changes(old, new, path)
        else:
            found[key] = new
    return found


def _removable(where: str, section: Mapping[str, Any]) -> bool:
    mixture = where == "data.source" and "type" not in section
    return mixture or _NAMED.fullmatch(where) is not None


def _replaces(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> bool:
    """Whether a section is of another kind, so that nothing of the old one holds for it."""
    if where == "optimizer":  # whose keys are those of all types
        return False
    if "type" in new:
        return new["type"] != old.get("type")
    parts = [value for value in new.values() if value is not None]
    mixture = bool(parts) and all(isinstance(p, Mapping) and "type" in p for p in parts)
    return mixture and "type" in old

"""`stages`: a recipe in phases, each of them the recipe with some keys changed.

    "stages": (
        {"name": "pretrain", "steps": 600},
        {"name": "refine", "steps": 150, "data": {"source": {"split": "tune"}},
         "objectives": {"clip": None, "rafa": {"type": "rafa"}}},
    )

A stage says what it changes of the rest of the config, which all stages share, as
`mmjax.recipe.changes` says. Its own keys, beside `name`, are those
of `mmjax.recipe.sections.Stage`: what starts anew. On the command line a stage's keys are set by
its name, `--config.stages.refine.steps=300`; `--config.stages.refine=None` leaves it out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.recipe.changes import changes, merge
from mmjax.recipe.sections import Stage
from mmjax.schema.values import fill, plain, section_of

# One for the whole run: which recipe it is, where it runs, and how it is kept.
OF_THE_RUN = ("recipe", "variant", "paper", "seed", "mesh", "checkpoints", "claim", "stages")
OWN = tuple(Stage.__dataclass_fields__)
__all__ = ["OWN", "changes", "find", "merge", "read", "stage_configs"]


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

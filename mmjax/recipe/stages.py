"""`stages`: a recipe in phases, each of them the recipe with some keys changed.

    "stages": (
        {"name": "pretrain", "steps": 600},
        {"name": "refine", "steps": 150, "data": {"source": {"split": "tune"}},
         "objectives": {"clip": None, "rafa": {"type": "rafa"}}},
    )

A stage says what it changes of the rest of the recipe, which all stages share, in the language of
`mmjax.recipe.changes`. Its own keys are those of `StageConfig`. On the command
line a stage's keys are set by its name, `--config.stages.refine.steps=300`;
`--config.stages.refine=None` leaves it out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.evaluators import EVALUATORS
from mmjax.recipe.changes import merge
from mmjax.recipe.sections import OF_A_STAGE, Recipe, StageConfig
from mmjax.schema.sections import fields_of, match, section_of
from mmjax.schema.values import plain

# One for the whole run: which recipe it is, where it runs, and how it is kept.
OF_THE_RUN = (
    "recipe",
    "variant",
    "paper",
    "seed",
    "mesh",
    "checkpoints",
    "claim",
    "stages",
    "imports",
    "weights",
    "evaluate_at_start",
)


def each(recipe: Recipe) -> list[tuple[StageConfig, Recipe]]:
    """(stage, the whole recipe of it) of every stage, in their order.

    The recipes are without stages themselves. A recipe without stages is one stage, whose name is
    None.
    """
    if not recipe.stages:
        return [(StageConfig(None), recipe)]
    base = {**recipe.plain(), "stages": ()}
    return [
        (stage, Recipe.of(merge(base, stage.changes), f"stage {stage.name!r}"))
        for stage in recipe.stages
    ]


def read(stages: Any, file: str) -> tuple[StageConfig, ...]:
    """The stages of a recipe, their changes as the recipe gives them.

    Raises:
      ConfigError: for names that are no names or not different, and for keys of the whole run.
    """
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        raise ConfigError(f"{file}: 'stages' should be a tuple of dicts, each with a 'name'")
    reserved = {*EVALUATORS, "train", "best", "start"}
    fields = {key: field for key, field in fields_of(StageConfig).items() if key in OF_A_STAGE}
    found: list[StageConfig] = []
    for i, stage in enumerate(plain(stages)):
        if stage is None:  # left out by an override
            continue
        given = section_of(stage, f"stages[{i}]", file)
        own = {key: value for key, value in given.items() if key in OF_A_STAGE}
        own = match({**fields, "name": (str, fields["name"][1])}, own, f"stages[{i}]", file)
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
        if name in [other.name for other in found]:
            raise ConfigError(f"{file}: two stages have the name {name!r}")
        for key in stage:
            if key in OF_THE_RUN:
                raise ConfigError(
                    f"{file}: 'stages.{name}.{key}' cannot be: {key!r} is of the whole run, so set "
                    "it outside of 'stages'"
                )
        changed = {key: value for key, value in stage.items() if key not in OF_A_STAGE}
        found.append(StageConfig(**own, changes=changed))
    return tuple(found)


def find(stages: Any, name: str, file: str) -> int:
    """The place of a stage among those of a recipe."""
    names = [stage.get("name") for stage in stages if isinstance(stage, Mapping)]
    if name not in names:
        raise unknown(name, map(str, names), "stages", file, "stage")
    return next(i for i, s in enumerate(stages) if isinstance(s, Mapping) and s["name"] == name)

"""The stages of a run: where each begins and ends.

A run has one axis of steps. Stage i makes the steps `start + 1 .. end`, and the checkpoint of step
s holds the state of the stage that made step s; at `end` that is the finished stage, and the next
one is begun from it when it is needed. So a run that is killed at a border begins the next stage
from the same arrays as one that was not.

Inside a stage everything counts from the stage's own beginning: the state's step, the schedules,
the data's order, which has a seed of its own for each stage.
"""

import dataclasses
from collections.abc import Sequence

from mmjax import recipe as recipe_lib
from mmjax.data.config import Mixture
from mmjax.recipe import Recipe, StageConfig


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """A stage of a run.

    Attributes:
      config: its own keys: name, and what is reinitialized.
      number: from 0.
      recipe: the whole recipe of the stage.
      start, end: the steps of the run before its first step and after its last.
    """

    config: StageConfig
    number: int
    recipe: Recipe
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """None where the recipe has no stages."""
        return self.config.name

    @property
    def steps(self) -> int:
        return self.end - self.start


def of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe; one without a name where it has none."""
    found, start = [], 0
    for number, (config, whole) in enumerate(recipe_lib.each(recipe)):
        found.append(Stage(config, number, whole, start, start + whole.steps))
        start += whole.steps
    return tuple(found)


def at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that made a step, whose state the checkpoint of that step holds."""
    return next((stage for stage in stages if step <= stage.end), stages[-1])


def names_to(stages: Sequence[Stage], stage: Stage) -> list[str | None]:
    """The names of the stages up to one of them."""
    return [each.name for each in stages[: stage.number + 1]]


def compiles_like(stage: Stage, other: Stage) -> bool:
    """Whether the steps of two stages need and do the same: they differ in the data's source."""
    return _of_step(stage.recipe) == _of_step(other.recipe)


def _of_step(recipe: Recipe) -> Recipe:
    """A recipe without what its step does not depend on: sources, evaluators and their number."""
    data = dataclasses.replace(recipe.data, source=Mixture({}, {}))
    return dataclasses.replace(recipe, data=data, steps=1, evaluators={})

"""The header of a run in the log."""

import math
from collections.abc import Sequence
from pathlib import Path

import jax

from mmjax import places
from mmjax.data import TrainData
from mmjax.objectives import ObjectiveConfig
from mmjax.recipe import Recipe
from mmjax.train import learning_rate
from mmjax.train.stages import Stage
from mmjax.train.state import TrainPlan
from mmjax.train.step import parameter_counts


def lines(
    stages: Sequence[Stage], mesh: jax.sharding.Mesh, plan: TrainPlan, data: TrainData, folder: Path
) -> list[str]:
    """The header: recipe, devices, towers, batch, and the chance level of a contrastive loss.

    Args:
      stages: of the run; where there are several, each says itself what it trains.
      mesh: of devices.
      plan, data: of the first stage.
      folder: of the run.
    """
    recipe = stages[0].recipe
    device = mesh.devices.flat[0]
    shape = " x ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    rows = [
        ("recipe", f"{recipe.recipe}:{recipe.variant}  ({recipe.paper})"),
        ("folder", places.name(folder)),
        (
            "devices",
            f"{mesh.size} x {device.device_kind} in {jax.process_count()} process(es), "
            f"mesh {shape}, towers in {plan.dtype.name}",
        ),
    ]
    if len(stages) == 1 and stages[0].name is None:
        return _formatted([*rows, *_of_stage(recipe, plan, data)])
    parts = ", ".join(f"{stage.name} {stage.steps:,}" for stage in stages)
    return _formatted([*rows, ("stages", f"{parts}: {stages[-1].end:,} steps in all")])


def stage_lines(stage: Stage, plan: TrainPlan, data: TrainData) -> list[str]:
    """The header of a stage; empty where the recipe has none."""
    if stage.name is None:
        return []
    terms = ", ".join(stage.recipe.objectives)
    steps = f"steps {stage.start + 1:,} to {stage.end:,}"
    if until := stage.config.until:
        steps += f" or until {until.metric} has moved by {until.change:.0%}"
    rows = [
        ("stage", f"{stage.name}: {steps}, objectives {terms}"),
        *_of_stage(stage.recipe, plan, data),
    ]
    return _formatted(rows)


def _of_stage(recipe: Recipe, plan: TrainPlan, data: TrainData) -> list[tuple[str, str]]:
    counts = parameter_counts(plan)
    batch, steps = recipe.data.batch_size, recipe.steps
    parts = (*recipe.model.towers, *recipe.model.trunks, *recipe.model.fusions)
    towers = ", ".join(f"{part} {counts.get(part, 0):,}" for part in parts)
    rows = [
        (
            "parameters",
            f"{counts['all']:,}: {towers}, objectives {counts.get('objectives', 0):,}"
            + (f"; {counts['trained']:,} train" if counts["trained"] < counts["all"] else ""),
        ),
        ("data", data.describe()),
        ("training", f"{steps:,} steps of {batch:,} = {steps / data.steps_per_epoch:.1f} epochs"),
    ]
    if not steps:
        rows[-1] = ("training", "none: what is there is evaluated")
        return rows
    section = recipe.optimizer
    assert section is not None  # of every recipe with steps
    updates = learning_rate.updates_of_a_turn(section, steps)
    if (warmup := learning_rate.warmup_steps(section, updates)) != section.warmup_steps:
        said = f"{warmup} steps: optimizer.warmup_steps={section.warmup_steps} would fill the run"
        rows.append(("warm-up", said))
    # Columns of a queue would count as well.
    if recipe.queue is None and any(_contrastive(each) for each in recipe.objectives.values()):
        level = f"chance level: a contrastive loss of ln({batch}) = {math.log(batch):.3f}"
        rows.append(("chance", level))
    return rows


def _contrastive(objective: ObjectiveConfig) -> bool:
    return getattr(objective.term.word, "contrastive", False)


def _formatted(rows: list[tuple[str, str]]) -> list[str]:
    return [f"{name:>10}  {text}" for name, text in rows]

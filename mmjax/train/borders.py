"""The start of a stage: random initialization, pretrained weights, or the stage before."""

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mmjax import digests
from mmjax.checkpoints.store import Store
from mmjax.data.tokenizers import EMBEDDED
from mmjax.data.views import View
from mmjax.errors import ConfigError
from mmjax.inference import bundle, imports
from mmjax.parallel import distributed
from mmjax.system.teachers import MomentumTeacher
from mmjax.train import checks, matching, runs
from mmjax.train import optimizer as optimizer_lib
from mmjax.train import state as state_lib
from mmjax.train.metrics import reached, recorded
from mmjax.train.stages import Stage
from mmjax.train.state import State, TrainPlan
from mmjax.weights.start import Pretrained

logger = logging.getLogger("mmjax")


def plans(stages: Sequence[Stage], mesh: jax.sharding.Mesh) -> list[TrainPlan]:
    """Structure and layout of every stage, checked by themselves and at their borders.

    Computes nothing, so that a mistake in the last stage does not wait for the first.

    Raises:
      ConfigError: with the stage and the keys that do not fit.
      TermError: for what a term itself finds wrong.
    """
    found: list[TrainPlan] = []
    for stage in stages:
        try:
            plan = state_lib.plan(stage.recipe, mesh)
            checks.check_model(stage.recipe, plan, mesh)
            matching.check(stage)
            if stage.number:
                _check_border(stage, found[-1], plan)
        except MemoryError as error:
            raise ConfigError(
                f"the sizes in 'model' and 'objectives' ask for more memory than there is ({error})"
            ) from error
        except ValueError as error:
            if stage.name is None:
                raise
            raise type(error)(f"stage {stage.name!r}: {error}") from error
        found.append(plan)
    return found


def _check_border(stage: Stage, before: TrainPlan, after: TrainPlan) -> None:
    old, new = (plan.definition.kinds(nnx.Variable) for plan in (before, after))
    for key, patterns in (
        ("fresh", stage.config.fresh),
        ("scale", [each for each, _ in stage.config.scale]),
    ):
        for pattern in patterns:
            if not any(re.fullmatch(pattern, path) for path in new):
                raise ConfigError(f"{key!r} has {pattern!r}, which no parameter matches")
    for path in new:
        if path in old and old[path].shape != new[path].shape and not _is_fresh(stage, path):
            raise ConfigError(
                f"{path} has the shape {list(new[path].shape)}, and {list(old[path].shape)} in the "
                f"stage before: keep what decides it, or reinitialize it, fresh=({path!r},)"
            )
    if stage.config.keep_optimizer:
        states = [
            jax.eval_shape(
                plan.transformation.init,
                {path: plan.definition.kinds(nnx.Param)[path] for path in sorted(plan.trained)},
            )
            for plan in (before, after)
        ]
        shapes = [
            {
                jax.tree_util.keystr(path): leaf.shape
                for path, leaf in jax.tree_util.tree_leaves_with_path(state)
            }
            for state in states
        ]
        if shapes[0] != shapes[1]:
            differing = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))[0][0]
            raise ConfigError(
                "keep_optimizer=True needs the optimizer and the trained parameters of the stage "
                f"before, but {differing} differs: leave it out to reinitialize the optimizer"
            )


def _is_fresh(stage: Stage, path: str) -> bool:
    return any(re.fullmatch(pattern, path) for pattern in stage.config.fresh)


def pretrained(stages: Sequence[Stage], number: int, plan: TrainPlan) -> Pretrained:
    """The pretrained weights that a stage starts from.

    These are of towers with an `init_from` that the stage before lacks: a tower that continues from
    the stage before is not read again.
    """
    recipe = stages[number].recipe
    model = recipe.model
    if number:
        before = stages[number - 1].recipe.model.towers
        towers = {
            name: dataclasses.replace(tower, init_from=None)
            if name in before and before[name].init_from == tower.init_from
            else tower
            for name, tower in model.towers.items()
        }
        model = dataclasses.replace(model, towers=towers)
    teacher = None if plan.teacher is None else plan.teacher.init_from
    variables = plan.definition.kinds(nnx.Variable)
    return Pretrained(
        model, recipe.objectives, variables, teacher, data=recipe.data, open=runs.weights
    )


def parity(weights: Pretrained, workdir: Path) -> list[str]:
    """Lines on whether what a stage starts from embeds as in its own library; reports in `workdir`.

    Raises:
      ParityError: when it does not.
    """
    if not weights.folders:
        return []
    lines = distributed.of_first(lambda: "\n".join(imports.check(weights.folders, workdir)))
    return lines.split("\n")


def keep_tokenizer(stages: Sequence[Stage], views: Mapping[str, View], folder: Path) -> None:
    """Copies a tokenizer's file into the run's folder, so that the model is used without another.

    One that is part of the package is not copied, and neither are those of stages that differ.
    """
    data = stages[0].recipe.data
    given = None if data.tokenizer is None else data.tokenizer.options.get("path")
    if given in EMBEDDED or any(s.recipe.data.tokenizer != data.tokenizer for s in stages):
        return
    file = bundle.write_tokenizer(data, views, folder)
    if file is not None:
        digests.add(file)


def begin(stage: Stage, plan: TrainPlan, weights: Pretrained, last: State | None) -> State:
    """The state before a stage's first step.

    Args:
      stage: which one.
      plan: of it.
      weights: what `pretrained` found.
      last: the state of the stage before at its end; None for the first stage. It may not be used
        afterwards: its arrays go on in the new state, which the step consumes.

    Returns:
      A state with step 0. Parameters, constants and moving averages that were there under the same
      path go on unless the stage says `fresh`; everything else starts as it would in a run of its
      own.
    """
    state = state_lib.initial(stage.recipe, plan)
    if last is not None:
        state = _carried(stage, plan, last, state)
    return with_teacher(state_lib.started(state, weights.into), plan)


def with_teacher(state: State, plan: TrainPlan) -> State:
    """`state` with the teacher's arrays from its folder, if it has one.

    Raises:
      ConfigError: when the folder cannot be read or does not fit.
    """
    teacher = plan.teacher
    if teacher is None or teacher.init_from is None:
        return state
    arrays = runs.of_folder(
        state.teacher, teacher.init_from, teacher.checkpoint, "teacher.init_from"
    )
    return dataclasses.replace(state, teacher=arrays)


def _carried(stage: Stage, plan: TrainPlan, last: State, state: State) -> State:
    old = {**last.constants, **last.params}

    def carry(
        arrays: Mapping[str, jax.Array], layout: Mapping[str, Any], source: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        kept = {path for path in arrays if path in source and not _is_fresh(stage, path)}
        factors = optimizer_lib.factors(stage.config.scale, kept)
        found = dict(arrays)
        for path in kept:
            value = source[path] if factors[path] == 1 else source[path] * factors[path]
            found[path] = jax.device_put(value, layout[path])
        return found

    params = carry(state.params, plan.shardings.params, old)
    constants = carry(state.constants, plan.shardings.constants, old)
    # Copies: the step is given both, and one buffer cannot be given twice.
    average = {path: jnp.copy(params[path]) for path in state.average}
    average = carry(average, plan.shardings.average, last.average)
    teacher = {path: jnp.copy({**constants, **params}[path]) for path in state.teacher}
    if isinstance(plan.teacher, MomentumTeacher):  # a frozen one is the model at this border
        teacher = carry(teacher, plan.shardings.teacher, last.teacher)
    fresh = [path for path in state.params if path not in old or _is_fresh(stage, path)]
    for path in fresh:
        logger.info(f"  reinitialized: {path}")
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), stage.number)
    return dataclasses.replace(
        state,
        params=params,
        constants=constants,
        average=average,
        teacher=teacher,
        optimizer=_from_zero(last.optimizer) if stage.config.keep_optimizer else state.optimizer,
        key=jax.device_put(jax.random.key_data(key), plan.shardings.key),
    )


def _from_zero(optimizer: optax.OptState) -> optax.OptState:
    """Moments as they are; schedules and turns count from the beginning of the stage."""

    def reset(part: Any) -> Any:
        return part._replace(count=jax.device_put(np.zeros_like(part.count), part.count.sharding))

    if isinstance(optimizer, optimizer_lib.InTurn):
        states = tuple(_from_zero(each) for each in optimizer.states)
        return reset(optimizer)._replace(states=states)
    return jax.tree.map(
        lambda part: reset(part) if isinstance(part, optax.ScaleByScheduleState) else part,
        optimizer,
        is_leaf=lambda part: isinstance(part, optax.ScaleByScheduleState),
    )


def summary(
    stages: Sequence[Stage],
    results: Mapping[str | None, Mapping[str, float]],
    store: Store,
    folder: Path,
) -> dict[str, float]:
    """The final metrics of a run by name.

    Args:
      stages: of the run.
      results: name of a stage -> its metrics; without those that ended before the run was resumed.
      store: knows the best step.
      folder: of the run; its `metrics.jsonl` knows the metrics of earlier steps.
    """
    found = dict(results[stages[-1].name])
    if stages[0].recipe.evaluate_at_start:
        found |= {f"start/{metric}": value for metric, value in recorded(folder, 0).items()}
    for stage in stages[:-1]:
        own = results.get(stage.name) or recorded(folder, reached(folder, stage.start, stage.end))
        found |= {f"{stage.name}/{metric}": value for metric, value in own.items()}
    best = store.best() if stages[-1].recipe.checkpoints.keep_best else None
    if best is not None:
        own = {"step": best, **recorded(folder, best)}
        found |= {f"best/{n}": value for n, value in own.items() if not n.startswith("train/")}
    return found

"""The learning rate: its schedule over the steps, and updates by it."""

from typing import Any

import jax
import optax

from mmjax.recipe import OptimizerConfig

Peak = float | jax.Array


def schedule(optimizer: OptimizerConfig, steps: int, peak: Peak | None = None) -> optax.Schedule:
    """Learning rate by step: linear warm-up from 0, then constant, cosine or linear decay.

    Args:
      optimizer: `learning_rate`, `warmup_steps`, `schedule`, `final_fraction`.
      steps: of the whole run. The decay ends at step `steps`, so that the last update, of step
        `steps - 1`, has the rate before it: `final_fraction` is approached and not reached.
      peak: f32[] in place of `optimizer.learning_rate`.
    """
    top: Any = optimizer.learning_rate if peak is None else peak
    warmup, end = warmup_steps(optimizer, steps), top * optimizer.final_fraction
    length = max(steps - warmup, 1)
    after = {
        "constant": lambda: optax.constant_schedule(top),
        "cosine": lambda: optax.cosine_decay_schedule(top, length, alpha=optimizer.final_fraction),
        "linear": lambda: optax.linear_schedule(top, end, length),
    }[optimizer.schedule]()
    if not warmup:
        return after
    # The first update already moves: step 0 has 1/warmup of the peak.
    rise = optax.linear_schedule(top / warmup, top, max(warmup - 1, 1))
    return optax.join_schedules([rise, after], [warmup])


def warmup_steps(optimizer: OptimizerConfig, steps: int) -> int:
    """Steps of the warm-up: those of the config, or a tenth of a run that they would fill.

    So a recipe can be tried for a few steps, by `steps` alone.
    """
    return optimizer.warmup_steps if optimizer.warmup_steps < steps else steps // 10


def by_step(optimizer: OptimizerConfig, steps: int, peak: Peak | None = None) -> optax.Schedule:
    """Learning rate by step of the run; the schedule of each of several turns has its own count."""
    turns = len(optimizer.turns) or 1
    own = schedule(optimizer, updates_of_a_turn(optimizer, steps), peak)
    return own if turns == 1 else lambda step: own(step // turns)


def updates_of_a_turn(optimizer: OptimizerConfig, steps: int) -> int:
    """How many of the steps each of the turns makes: all of them where there are none."""
    return -(-steps // (len(optimizer.turns) or 1))


def scale_by(optimizer: OptimizerConfig, steps: int) -> optax.GradientTransformationExtraArgs:
    """`optax.scale_by_learning_rate` of the schedule, whose peak `update` may be given.

    A compiled step that has it as an input is the same for all learning rates.
    """

    def of(peak: Peak | None = None) -> optax.GradientTransformation:
        return optax.scale_by_learning_rate(schedule(optimizer, steps, peak))

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        peak: Peak | None = None,
        **more: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        del more  # of other transformations
        found: tuple[optax.Updates, optax.OptState] = of(peak).update(updates, state, params)
        return found

    return optax.GradientTransformationExtraArgs(of().init, update)

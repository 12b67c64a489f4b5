"""The early end of a stage, by what its evaluations measure: `until` of a stage."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from mmjax.checkpoints.store import CheckpointError
from mmjax.errors import unknown
from mmjax.parallel import distributed
from mmjax.recipe import UntilConfig

logger = logging.getLogger("mmjax")


class Until:
    """Tells whether a stage has come to its early end, at each of its evaluations.

    What a checkpoint keeps of it (`kept`) makes a resumed run decide as one that was not
    interrupted, and a finished stage known as such.

    Args:
      config: of the stage; None where it makes all its steps.
      stage: its name, for messages.
      kept: of the checkpoint from which the stage goes on; None where it begins.

    Raises:
      CheckpointError: when that checkpoint lacks it.
    """

    def __init__(
        self, config: UntilConfig | None, stage: str | None, kept: Mapping[str, Any] | None = None
    ):
        self._config, self._stage = config, stage
        if config is not None and kept is not None and "until" not in kept:
            raise CheckpointError(
                f"the checkpoint does not say how the checks of stage {stage!r} went so far "
                "('until'): start again from an earlier one, or in another folder"
            )
        self._state: dict[str, Any] = dict((kept or {}).get("until") or {"checks": 0})

    def __bool__(self) -> bool:
        """Whether the stage may end early."""
        return self._config is not None

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return bool(self._state.get("ended", False))

    def kept(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"until": dict(self._state)} if self else {}

    def begin(self, metrics: Mapping[str, float]) -> None:
        """Takes what is measured before the first step.

        Raises:
          ConfigError: when it lacks the metric.
        """
        self._state["first"] = self._metric(metrics)

    def check(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes what is measured at a step; a second time, after an interruption, it is known.

        Raises:
          ConfigError: when it lacks the metric.
        """
        if self._config is None or self._state.get("step") == step:
            return
        first, value = self._state["first"], self._metric(metrics)
        checks = self._state["checks"] + 1
        allowed = self._config.change * max(abs(first), self._config.floor)
        ended = checks >= self._config.min_checks and abs(value - first) > allowed
        self._state |= {"step": step, "checks": checks, "ended": ended}
        if ended:
            logger.info(
                f"stage {self._stage!r} ends at step {step}: {self._config.metric} was {first:.4g} "
                f"before its first step and is {value:.4g}"
            )

    def _metric(self, metrics: Mapping[str, float]) -> float:
        """Of the first process, for all have to decide alike."""
        assert self._config is not None  # it is asked for
        name = self._config.metric
        if name not in metrics:
            raise unknown(name, metrics, f"stages.{self._stage}.until.metric", "recipe", "metric")
        value: float = json.loads(distributed.of_first(lambda: json.dumps(float(metrics[name]))))
        return value

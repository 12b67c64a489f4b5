"""A trace of some steps, for TensorBoard's profiler (XProf) and for Perfetto: `--profile=10:20`."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax

from mmjax.errors import ConfigError

logger = logging.getLogger("mmjax")

FOLDER = "profile"


class Steps(NamedTuple):
    """The steps that are traced, from `first` to `last`, counted from 1."""

    first: int
    last: int

    @classmethod
    def of(cls, text: str) -> Steps:
        """Reads `10:20`.

        Raises:
          ConfigError: for other words, or steps in another order.
        """
        found = re.fullmatch(r"(\d+):(\d+)", text)
        steps = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= steps.first <= steps.last:
            raise ConfigError(
                f"--profile={text}: give the first and the last step to trace, such as 10:20"
            )
        return steps


class Profile:
    """Traces steps of a run into its folder `profile`, in every process.

    The first steps compile, so a trace that is to show the usual ones begins later.

    Args:
      steps: which; None traces none.
      folder: of the run.
      start: the last step that is done.
      end: the last step of the run.

    Raises:
      ConfigError: where the run has none of them left to make.
    """

    def __init__(self, steps: Steps | None, folder: Path, start: int, end: int):
        self._steps, self._folder, self._on = steps, folder / FOLDER, False
        if steps is not None and not (steps.first <= end and start < steps.last):
            raise ConfigError(
                f"--profile={steps.first}:{steps.last}: the steps that are left are "
                f"{start + 1} to {end}"
            )

    def before(self, step: int) -> None:
        """Before a step is dispatched."""
        if self._steps is None or self._on:
            return
        if self._steps.first <= step <= self._steps.last:
            jax.profiler.start_trace(str(self._folder), create_perfetto_trace=True)
            self._on = True

    def after(self, step: int, results: Any) -> None:
        """After a step was dispatched; waits for its results where it is the last to be traced."""
        if self._on and self._steps is not None and step >= self._steps.last:
            jax.block_until_ready(results)
            self.close()

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends a trace, also one that the run's end or a signal has cut short."""
        if self._on:
            self._on = False
            jax.profiler.stop_trace()
            logger.info(
                f"traced: `xprof --logdir={self._folder}` shows it; perfetto_trace.json.gz in it "
                "is for https://ui.perfetto.dev"
            )

"""Collects the metrics of steps and detects a loss that is not finite, and data that are bad."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from mmjax.data import Batches
from mmjax.data.limits import Limit, TooManyBadRows
from mmjax.errors import UserError


class Work(NamedTuple):
    """The work of a step and the rate at which it could be done.

    Attributes:
      flops: model FLOPs of a step on all devices, without recomputation.
      peak: FLOPs per second of all devices.
    """

    flops: float
    peak: float


_Step = tuple[int, Mapping[str, jax.Array], jax.Array, int | jax.Array]


class NonFiniteLoss(UserError, RuntimeError):
    """The loss or the gradient is NaN or infinite; the message says where."""

    exit_code = 1


class ZeroEmbeddings(UserError, RuntimeError):
    """All embeddings of a view are zero, so that nothing can be learned from them."""

    exit_code = 1


class Watch:
    """Collects step metrics without making the device wait, and detects NaN, infinity and zeros.

    The metrics of a step are read when the next one has been dispatched, so the device is never
    idle for the sake of a log line, and a run stops at most one step after a number went bad. So it
    is with batches of too many bad rows.

    Args:
      step: the last step that is done.
      batch_size: of all processes together.
      batches: knows how long training waited for it.
      limit: of bad rows.
      window: of the run that this one resumes.
      work: of a step, for MFU, where the devices' peak rate is known.

    Attributes:
      limit: counts the bad rows.
      window: name -> values of the steps since the last row, in their order, f32 as Python floats.
    """

    def __init__(
        self,
        step: int,
        batch_size: int,
        batches: Batches,
        limit: Limit,
        window: Mapping[str, Sequence[float]] | None = None,
        work: Work | None = None,
    ):
        self._pending: list[_Step] = []
        self.limit = limit
        self.window = {name: list(values) for name, values in (window or {}).items()}
        self._batch_size, self._batches, self._work = batch_size, batches, work
        self._step, self._waited = step, 0.0
        self._since = time.monotonic()

    def finished(
        self, k: int, metrics: Mapping[str, jax.Array], ids: jax.Array, bad: int | jax.Array
    ) -> None:
        """Takes the metrics of step k, just dispatched, and reads those of the step before.

        Args:
          k: the step, from 0.
          metrics: name -> scalar.
          ids: of the batch.
          bad: how many of its rows are bad, of all processes together.
        """
        self._pending.append((k, metrics, ids, bad))
        self._examine(self._pending[:-1])
        self._pending = self._pending[-1:]

    def check(self) -> None:
        """Reads what is pending; afterwards every step so far is known to be good."""
        self._examine(self._pending)
        self._pending = []

    def _examine(self, entries: list[_Step]) -> None:
        for k, metrics, ids, rows in entries:
            if said := self.limit.add(self._batch_size, int(rows)):
                raise TooManyBadRows(f"step {k + 1}: {said}")
            values = {name: float(value) for name, value in jax.device_get(metrics).items()}
            bad = [n for n in ("loss", "gradient_norm") if not math.isfinite(values[n])]
            if bad:
                # All processes are here together: they read the same numbers.
                ids = multihost_utils.process_allgather(ids, tiled=True)
                terms = {n: v for n, v in values.items() if n == "loss" or n.endswith("/loss")}
                raise NonFiniteLoss(
                    f"step {k + 1}: {' and '.join(bad)} not finite ("
                    + ", ".join(f"{name} = {value:g}" for name, value in terms.items())
                    + f"); ids of the batch: {', '.join(map(str, ids.tolist()))}. The "
                    "last checkpoint is of a good step; try a lower learning rate, clip_norm, or "
                    "look at these examples"
                )
            flags = [name for name in values if name.startswith("zero/")]
            zero = [name.removeprefix("zero/") for name in flags if values.pop(name)]
            if zero:
                raise ZeroEmbeddings(
                    f"step {k + 1}: all embeddings of {' and '.join(map(repr, zero))} are zero, "
                    "and a zero vector has no direction to compare: see whether its values are "
                    f"all zero (data.views.{zero[0]}), or what makes its tower give nothing else"
                )
            for name, value in values.items():
                self.window.setdefault(name, []).append(value)

    def row(self, step: int) -> dict[str, float]:
        """Means since the last row, with speed; learning rate and scales as they are now.

        Where the devices tell, with the peak of a device's memory so far in GiB; and with model
        FLOPs, where the peak rate is known.
        """
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        steps = step - self._step
        row = {name: float(np.mean(values)) for name, values in self.window.items()}
        row["learning_rate"] = self.window["learning_rate"][-1]
        row["examples_per_second"] = steps * self._batch_size / seconds
        row["seconds_per_step"] = seconds / max(steps, 1)
        row["data_wait_share"] = min((self._batches.waited - self._waited) / seconds, 1.0)
        if self._work is not None:
            rate = steps * self._work.flops / seconds
            row["model_tflops_per_second"], row["mfu"] = rate / 1e12, rate / self._work.peak
        if (used := _memory()) is not None:
            row["device_memory_gib"] = used / 2**30
        self.window, self._step = {}, step
        self._waited, self._since = self._batches.waited, now
        return row

    def pause(self) -> None:
        """Leaves the time since the last row (an evaluation) out of the next one."""
        self._since = time.monotonic()


def _memory() -> int | None:
    """Bytes at their peak so far, of this process's fullest device; None where they do not tell."""
    told = [stats for d in jax.local_devices() if (stats := d.memory_stats())]
    peaks = [stats["peak_bytes_in_use"] for stats in told if "peak_bytes_in_use" in stats]
    return max(peaks, default=None)

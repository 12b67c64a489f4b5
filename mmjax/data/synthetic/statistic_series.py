"""Series with periods, and their statistics as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.formats.series import window
from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Count, NonNegative

_AR = 0.7
# All words of the texts: numbers to ±9.9, which values in units of their own deviation do not pass
# but where a few stand alone, and lags of a past of up to 512.
WORDS = (
    *("min", "max", "median", "trend", "upward", "downward", "lags"),
    *(f"{n / 10:.1f}" for n in range(-99, 100)),
    *(str(n) for n in range(1, 257)),
)


@dataclass(kw_only=True, eq=False, repr=False)
class StatisticSeries(Generated):
    """Periodic series with a slope and noise: a past, its statistics as text, and the future.

    x_t = Σ_k a_k sin(2π t / p_k + φ_k) + s t / T + e_t: two periods p_k uniform in 8 to 48, a_k
    uniform in 0.5 to 1.5, φ_k uniform, s ~ N(0, 1), T the length of the past, and e an AR(1) of
    coefficient 0.7. One row is one series. `series` f32[past, 1] and `future` f32[future] are in
    units of the past, and `text` is what `mmjax.data.formats.series` says of it with one decimal;
    labels are `last`, the last number of the past, and `spread`, its standard deviation. A stand-in
    for the channels of ETT and Weather, after Zhou et al. 2025 (BALM-TSF, arXiv 2509.00622).

    Args:
      split: 'train' (2,000 rows), 'validation' or 'test' (500 each).
      past, future: lengths of both.
      noise: standard deviation of e.
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    past: Count = 512
    future: Count = 96
    noise: NonNegative = 0.5

    name = "statistic_series"
    splits: ClassVar = {"train": 2000, "validation": 500, "test": 500}
    modalities = ("series", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if not 10 <= self.past <= 512:
            raise ValueError(f"{self.name}: past={self.past} should be from 10 to 512")
        time = np.arange(self.past + self.future)
        period, size, phase = (
            rng.uniform(*bounds, (count, 2, 1))
            for bounds in ((8.0, 48.0), (0.5, 1.5), (0.0, 2 * np.pi))
        )
        x = (size * np.sin(2 * np.pi * time / period + phase)).sum(1)
        x += rng.standard_normal((count, 1)) * time / self.past
        fresh = rng.standard_normal(x.shape) * self.noise * np.sqrt(1 - _AR**2)
        error = fresh[:, 0] / np.sqrt(1 - _AR**2)
        for t in time:
            error = error if t == 0 else _AR * error + fresh[:, t]
            x[:, t] += error
        rows = [window(row, self.past, 1) for row in x]
        return {name: [row[name] for row in rows] for name in rows[0]}

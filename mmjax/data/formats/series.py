"""Windows of a series for forecasting: a past, its statistics as text, and the future.

All numbers are in units of the past: less its mean, over its standard deviation, as reversible
instance normalization has it (Kim et al. 2022, RevIN), so that a forecast in these units, times
`spread` and with the mean added, is one of the series.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FIELDS = ("future", "last", "spread")  # beside the modalities `series` and `text`
_EPS = 1e-5


def window(values: np.ndarray, past: int, decimals: int) -> dict[str, Any]:
    """The fields of a record, of neighbouring values of one series.

    Args:
      values: f[past + future].
      past: how many of them are known.
      decimals: of the numbers in the text.

    Returns:
      `series` f32[past, 1]; `text`, its statistics; `future` f32[future]; `last`, the last number
      of the past, f32; and `spread`, the standard deviation of the past, f32, in units of `values`.
    """
    known = np.asarray(values[:past], np.float64)
    spread = np.sqrt(known.var() + _EPS)
    scaled = (np.asarray(values, np.float64) - known.mean()) / spread
    return {
        "series": scaled[:past, None].astype(np.float32),
        "text": statistics(scaled[:past], decimals),
        "future": scaled[past:].astype(np.float32),
        "last": np.float32(scaled[past - 1]),
        "spread": np.float32(spread),
    }


def statistics(x: np.ndarray, decimals: int) -> str:
    """What a series f[T] looks like: 'min -1.9 max 2.1 median 0.1 trend upward lags 24 48 23 25 1'.

    Least, greatest and median value; whether the last value is above the first; and the five lags
    of 1 to T/2 with the largest circular autocorrelation, the largest first: the statistics of the
    prompts of Zhou et al. 2025 (BALM-TSF, arXiv 2509.00622), whose lags have 0 and T - k, too.
    """
    found = (("min", x.min()), ("max", x.max()), ("median", np.median(x)))
    numbers = " ".join(f"{name} {_plain(value, decimals)}" for name, value in found)
    trend = "upward" if x[-1] > x[0] else "downward"
    return f"{numbers} trend {trend} lags {' '.join(map(str, top_lags(x)))}"


def top_lags(x: np.ndarray, count: int = 5) -> list[int]:
    """The `count` lags from 1 to T/2 of a series f[T] with the largest autocorrelation."""
    spectrum = np.fft.rfft(x)
    correlation = np.fft.irfft(spectrum * spectrum.conj(), len(x))[1 : len(x) // 2 + 1]
    # Of equal ones, to rounding, the smaller lag is first.
    order = np.argsort(
        -np.round(correlation / max(abs(correlation).max(), 1e-300), 9), kind="stable"
    )
    return [int(lag) + 1 for lag in order[:count]]


def _plain(value: float, decimals: int) -> str:
    """A number with so many decimals, and no -0."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"

"""Signals: samples with their sampling rate, and names and units of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

# The names of the twelve leads.
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
# What each other limb lead is of I and II: Einthoven's and Goldberger's identities.
LIMB = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
# How many millivolts a unit is, whatever its capitals.
MILLIVOLTS = {
    "mv": 1.0,
    "millivolt": 1.0,
    "uv": 1e-3,
    "µv": 1e-3,
    "μv": 1e-3,
    "microvolt": 1e-3,
    "v": 1e3,
    "volt": 1e3,
    "nv": 1e-6,
}

# More samples than this, times channels, are refused: they could take all memory.
MOST_NUMBERS = 50_000_000


class SignalError(ValueError):
    """A signal cannot be used; the message is a reason without a full stop."""


@dataclass(frozen=True, eq=False)
class Signal:
    """Channels over time.

    Attributes:
      samples: f[T, C].
      rate: samples a second; None if it is not known.
      channels: C names, or () if they are not known.
      units: C units, such as `mV`, or () if they are not known.
    """

    samples: np.ndarray
    rate: float | None = None
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.samples, dtype=dtype, copy=copy)


def resample(x: np.ndarray, rate: float, new_rate: float) -> np.ndarray:
    """Samples at another rate, f[T, C] -> f[ceil(T new_rate / rate), C].

    A polyphase filter with a Kaiser window (`scipy.signal.resample_poly`): what the new rate cannot
    hold is filtered out. Beyond its ends the signal goes on along the line from its first sample to
    its last, so that they do not ring.

    Raises:
      SignalError: if the result would be of an absurd size.
    """
    if rate == new_rate:
        return x
    ratio = Fraction(new_rate / rate).limit_denominator(1000)
    if not ratio or len(x) * x.shape[1] * ratio > MOST_NUMBERS or 1 / ratio > 1000:
        raise SignalError(f"{len(x)} samples at {rate:g} Hz cannot become {new_rate:g} Hz")
    from scipy.signal import resample_poly  # here to start faster

    found = resample_poly(x, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return np.asarray(found, x.dtype)


def fill_gaps(x: np.ndarray, most: float) -> tuple[np.ndarray, dict[int, str]]:
    """Fills single missing values by lines between their neighbours.

    Args:
      x: f[T, C]; NaN and infinity are missing.
      most: the share of a channel's samples that may be missing.

    Returns:
      (f[T, C] without NaN, {channel: why it cannot be used}); such a channel is 0.
    """
    there = np.isfinite(x)
    if there.all():
        return x, {}
    x, bad = np.where(there, x, 0), {}
    for channel in np.flatnonzero(~there.all(axis=0)):
        missing = 1 - there[:, channel].mean()
        if missing > most:
            x[:, channel] = 0
            bad[int(channel)] = f"is NaN or infinite in {missing:.1%} of its samples"
        else:
            good = np.flatnonzero(there[:, channel])
            x[:, channel] = np.interp(np.arange(len(x)), good, x[good, channel])
    return x, bad


def normalized(x: np.ndarray, how: str) -> np.ndarray:
    """Normalizes each channel: `none`, `zscore` (mean 0, standard deviation 1) or `minmax`.

    `minmax` is from -1 to 1. A channel that is constant becomes 0, but for `none`.
    """
    if how == "none":
        return x
    if how == "zscore":
        x = x - x.mean(axis=0)
        return x / np.where((deviation := x.std(axis=0)) > 1e-8, deviation, 1)
    low, high = x.min(axis=0), x.max(axis=0)
    half = (high - low) / 2
    scaled: np.ndarray = (x - (low + half)) / np.where(half > 1e-8, half, 1)
    return scaled


def without_baseline(x: np.ndarray, rate: float) -> np.ndarray:
    """f[T, C] less its slow part: a running median over 0.2 s, and one over 0.6 s of that.

    What two median filters leave of an ECG is its baseline (de Chazal et al. 2004).
    """
    from scipy.ndimage import median_filter  # here to start faster

    slow = x
    for seconds in (0.2, 0.6):
        size = max(1, round(seconds * rate)) // 2 * 2 + 1
        slow = median_filter(slow, size=(size, 1), mode="nearest")
    fast: np.ndarray = x - slow
    return fast


def named(channels: Sequence[str]) -> str:
    """Names of channels for a message, not more than a line."""
    shown = ", ".join(map(str, channels[:15]))
    return shown + (f" and {len(channels) - 15} more" if len(channels) > 15 else "")

"""Mel filters: triangles that sum a power spectrum to bands, for views and encoders of sounds."""

from functools import lru_cache
from typing import Literal

import numpy as np

MelScale = Literal["slaney", "htk"]
_KNEE, _LINEAR, _STEP = 1000.0, 200.0 / 3, np.log(6.4) / 27  # of Slaney's Auditory Toolbox


@lru_cache(maxsize=32)
def triangles(
    *,
    rate: int,
    fft: int,
    mels: int,
    low: float,
    high: float,
    scale: MelScale,
    linear_in: Literal["hertz", "mel"] = "hertz",
    equal_areas: bool = True,
) -> np.ndarray:
    """Triangles over the bins of a Fourier transform, f32[1 + fft // 2, mels].

    Args:
      rate: samples per second.
      fft: length of the transform.
      mels: number of bands, whose edges are evenly spaced in mel.
      low, high: Hz of the lowest and the highest edge.
      scale: mel scale: `slaney`, linear below 1 kHz, or `htk`, 2595 log10(1 + f / 700).
      linear_in: what the sides of a triangle are straight lines over.
      equal_areas: of all triangles over Hz; otherwise their tops are at 1.
    """
    bins = np.arange(1 + fft // 2) * rate / fft
    edges = np.linspace(to_mel(low, scale), to_mel(high, scale), mels + 2)
    if linear_in == "mel":
        bins = to_mel(bins, scale)
    else:
        edges = to_hertz(edges, scale)
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rise, fall))
    if equal_areas:
        weights *= 2 / (edges[2:] - edges[:-2])
    filters: np.ndarray = weights.astype(np.float32)
    return filters


def to_mel(hertz: np.ndarray | float, scale: MelScale) -> np.ndarray:
    """Hz on a mel scale."""
    hertz = np.asarray(hertz, np.float64)
    if scale == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    above = _KNEE / _LINEAR + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _STEP
    return np.where(hertz < _KNEE, hertz / _LINEAR, above)


def to_hertz(mel: np.ndarray, scale: MelScale) -> np.ndarray:
    """The inverse of `to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    knee = _KNEE / _LINEAR
    above = _KNEE * np.exp(_STEP * (np.maximum(mel, knee) - knee))
    return np.where(mel < knee, mel * _LINEAR, above)

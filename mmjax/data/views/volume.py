"""Volumes to arrays of one size: a region, resampled, its intensities scaled."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from mmjax.data.formats.volumes import read_volume
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import (
    BelowOne,
    Bounds,
    Count,
    Fraction,
    Moderate,
    NonNegative,
    Portion,
    PositiveInt,
)

_Percent = Annotated[float, Bounds(ge=0, le=100)]


class VolumeView(View):
    """A volume as f32[D, H, W, channels] with values in about [-1, 1].

    The value is the bytes of a NIfTI or DICOM file, a zip archive of a DICOM series, an NPY file,
    or an array (see `formats.volumes`). The whole volume is resampled to `size`, linearly, over as
    many voxels as become one.

    Args:
      size: (D, H, W).
      channels: of the volume.
      window: (low, high) of the values that become -1 and 1, such as (-160, 240) Hounsfield units
        for soft tissue; what is beyond is cut.
      percentiles: of the values of the volume that become -1 and 1, where there is no window.
      crop: in training, the smallest share of each axis that a random region has.
      flip: probability, in training, of a mirror image along each of the axes (D, H, W). (The
        body's left and right are not alike, and reports tell them apart.)
      intensity: in training, contrast is drawn from [1 - x, 1 + x] and brightness from [-x, x].
      noise: standard deviation of noise, in training.
      max_voxels: a larger volume is refused.

    Attributes:
      shape: (D, H, W, channels).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        size: tuple[Count, Count, Count],
        channels: Count = 1,
        window: tuple[Moderate, Moderate] | None = None,
        percentiles: tuple[_Percent, _Percent] = (0.5, 99.5),
        crop: Portion = 1.0,
        flip: tuple[Fraction, Fraction, Fraction] = (0.0, 0.0, 0.0),
        intensity: BelowOne = 0.0,
        noise: NonNegative = 0.0,
        max_voxels: PositiveInt = 2**28,
    ):
        if window is not None and not window[0] < window[1]:
            raise ValueError(f"volume view: window={window} must be two rising numbers")
        if not percentiles[0] < percentiles[1]:
            raise ValueError(f"volume view: percentiles={percentiles} must be two rising numbers")
        self.window, self.percentiles, self.crop, self.flip = window, percentiles, crop, flip
        self.intensity, self.noise, self.max_voxels = intensity, noise, max_voxels
        self.shape, self.dtype = (*size, channels), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = read_volume(pick(value, rng, train), self.max_voxels)
        if x.shape[3] != self.shape[3]:
            raise unusable(f"it has {x.shape[3]} channels, but the view takes {self.shape[3]}")
        low, high = self.window or np.percentile(x, self.percentiles)
        if not low < high:
            raise unusable(f"all of it has the value {float(low):.4g}")
        for axis in range(3):
            share = self.crop + (1 - self.crop) * required(rng).random() if train else 1.0
            start = required(rng).random() * (1 - share) if train else 0.0
            weights = resampling(x.shape[axis], self.shape[axis], start, share)
            if train and required(rng).random() < self.flip[axis]:
                weights = weights[::-1]
            x = np.moveaxis(np.tensordot(weights, x, axes=(1, axis)), 0, axis)
        x = np.clip((x - low) / (high - low), 0, 1) * 2 - 1
        if train and self.intensity:
            contrast, shift = self.intensity * (2 * required(rng).random(2) - 1)
            x = x * (1 + contrast) + shift
        if train and self.noise:
            x = x + self.noise * required(rng).standard_normal(x.shape, np.float32)
        return x.astype(np.float32)


def resampling(old: int, new: int, start: float = 0.0, share: float = 1.0) -> np.ndarray:
    """Weights f32[new, old] that resample a part of an axis of `old` values to `new` ones.

    Linear interpolation, with a kernel as wide as the new step where that is the larger one; the
    weights of a new value sum to 1.

    Args:
      old, new: numbers of values.
      start, share: where the part begins and how long it is, of the whole axis.
    """
    step = old * share / new
    centre = old * start + (np.arange(new) + 0.5) * step - 0.5
    distance = np.abs(np.arange(old) - np.clip(centre, 0, old - 1)[:, None]) / max(step, 1.0)
    weights = np.maximum(1 - distance, 0)
    shares: np.ndarray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares

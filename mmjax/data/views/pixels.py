"""Small images that are arrays already, with the augmentations that suit them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import Count, NonNegative, NonNegativeInt, Positive


class PixelsView(View):
    """An array of pixels [height, width] or [height, width, channels] as f32, divided by `peak`.

    In training, in this order: it is shifted; multiplied by a brightness; an offset is added; a
    square is set to 0; and noise is added. For images of a few
    pixels, where `image` would resample; there is no change of size or colours.

    Args:
      size: side of the image, or (height, width).
      channels: of it; 1 also takes [height, width].
      peak: the value of white.
      shift: largest shift along each axis, in pixels; all up to it are equally likely.
      border: what fills the gap: 'wrap', what has left at the other side, or 'reflect', the pixels
        at this side mirrored.
      brightness: the factor is drawn from [1 - x, 1 + x].
      offset: what is added is drawn from [-x, x], where white is 1.
      erase: side of the erased square, which lies inside the image; 0 for none.
      noise: standard deviation, where white is 1.

    Attributes:
      shape: (height, width, channels).
      dtype: float32.
      limits: 0 and 1.
    """

    def __init__(
        self,
        *,
        size: Count | tuple[Count, Count],
        channels: Count = 3,
        peak: Positive = 255.0,
        shift: NonNegativeInt = 0,
        border: Literal["wrap", "reflect"] = "wrap",
        brightness: NonNegative = 0.0,
        offset: NonNegative = 0.0,
        erase: NonNegativeInt = 0,
        noise: NonNegative = 0.0,
    ):
        height, width = (size, size) if isinstance(size, int) else size
        if erase > min(height, width):
            raise ValueError(f"pixels view: erase={erase} must be at most the side of the image")
        if border == "reflect" and shift >= min(height, width):
            raise ValueError(f"pixels view: shift={shift} must be below the side to be reflected")
        self.peak, self.shift, self.brightness = peak, shift, brightness
        self.border, self.offset = border, offset
        self.erase, self.noise = erase, noise
        self.shape, self.dtype = (height, width, channels), np.dtype(np.float32)
        self.limits = np.zeros((), np.float32), np.ones((), np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = numbers(pick(value, rng, train))
        if x.ndim == 2:
            x = x[:, :, None]
        if x.shape != self.shape:
            raise unusable(f"its shape is {list(x.shape)}, but the view takes {list(self.shape)}")
        if not np.isfinite(x).all():
            raise unusable("it holds NaN or infinite numbers")
        x = x / np.float32(self.peak)
        return self._augmented(x, required(rng)) if train else x

    def _augmented(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.shift:
            x = self._shifted(x, rng.integers(-self.shift, self.shift + 1, size=2))
        if self.brightness:
            x = x * np.float32(1 + rng.uniform(-self.brightness, self.brightness))
        if self.offset:
            x = x + np.float32(rng.uniform(-self.offset, self.offset))
        if self.erase:
            top = rng.integers(x.shape[0] - self.erase + 1)
            left = rng.integers(x.shape[1] - self.erase + 1)
            x = x.copy()
            x[top : top + self.erase, left : left + self.erase] = 0
        if self.noise:
            x = x + rng.standard_normal(x.shape, np.float32) * np.float32(self.noise)
        return x

    def _shifted(self, x: np.ndarray, by: np.ndarray) -> np.ndarray:
        if self.border == "wrap":
            return np.roll(x, by, axis=(0, 1))
        padded = np.pad(x, ((self.shift,) * 2, (self.shift,) * 2, (0, 0)), mode="reflect")
        top, left = self.shift - by
        return padded[top : top + x.shape[0], left : left + x.shape[1]]

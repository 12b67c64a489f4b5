"""Numbers that are an example already: latents, features, measurements."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import BelowOne, Count, NonNegative


class VectorView(View):
    """A vector as f32[dim], in training with some numbers left out and fresh Gaussian noise.

    The value is numbers or the bytes of a `.npy` file, which is how a table's files are read.

    Args:
      dim: length of the vector.
      noise: standard deviation of the noise that training adds at every visit.
      drop: probability with which training sets each number to 0, before the noise.
      normalize: whether to scale the result to length 1.

    Attributes:
      shape: (dim,).
      dtype: float32.
    """

    def __init__(
        self, *, dim: Count, noise: NonNegative = 0.0, drop: BelowOne = 0.0, normalize: bool = False
    ):
        self.noise, self.drop, self.normalize = np.float32(noise), drop, normalize
        self.shape, self.dtype = (dim,), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = numbers(pick(value, rng, train))
        if x.shape != self.shape:
            raise unusable(f"its shape is {list(x.shape)}, but the view takes {list(self.shape)}")
        if not np.isfinite(x).all():
            raise unusable("it holds NaN or infinite numbers")
        if train and self.drop:
            x = np.where(required(rng).random(self.shape) < self.drop, np.float32(0), x)
        if train and self.noise:
            x = x + self.noise * required(rng).standard_normal(self.shape, np.float32)
        if self.normalize:
            length = np.linalg.norm(x)
            if length == 0:
                raise unusable("it is zero, so it has no direction")
            x = x / length
        return x

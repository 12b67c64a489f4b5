"""Arrays of numbers for objective terms: boxes, multi-hot labels, series to be predicted."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick
from mmjax.schema.bounds import Count


class ArrayView(View):
    """An array of numbers of a fixed shape, as f32[*shape], unchanged.

    The value is numbers or the bytes of a `.npy` file. What only terms read needs no tower: the
    view then says `tower=False`.

    Args:
      shape: of the array; () for a single number.

    Attributes:
      shape: the same.
      dtype: float32.
    """

    def __init__(self, *, shape: tuple[Count, ...]):
        self.shape, self.dtype = shape, np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = numbers(pick(value, rng, train))
        if x.shape != self.shape:
            raise unusable(f"its shape is {list(x.shape)}, but the view takes {list(self.shape)}")
        if not np.isfinite(x).all():
            raise unusable("it holds NaN or infinite numbers")
        return x

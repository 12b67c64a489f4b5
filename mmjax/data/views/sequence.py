"""Sequences of vectors: patches, tokens or frames that someone else has made."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import Count, Fraction


class SequenceView(View):
    """A sequence of vectors as f32[length, dim]; rows of zeros follow a shorter one.

    The value is an array [T, dim], or the bytes of a `.npy` file.

    Args:
      length: the most vectors; a longer sequence is cut.
      dim: size of each.
      keep: share of the vectors that training keeps, drawn at random and in their order: of T the
        whole part of keep T + 1, and at least one is left out where there are two or more, so that
        a set and a part of it are two views of it (Ma et al. 2024, arXiv 2310.18770). 1 for all.

    Attributes:
      shape: (length, dim).
      dtype: float32.
    """

    def __init__(self, *, length: Count, dim: Count, keep: Fraction = 1.0):
        self.keep = keep
        self.shape, self.dtype = (length, dim), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = numbers(pick(value, rng, train))
        if x.ndim != 2 or x.shape[1] != self.shape[1] or not len(x):
            raise unusable(
                f"its shape is {list(x.shape)}, but the view takes [1 or more, {self.shape[1]}]"
            )
        if not np.isfinite(x).all():
            raise unusable("it holds NaN or infinite numbers")
        x = x[: self.shape[0]]
        if train and self.keep < 1 and len(x) > 1:
            count = min(int(self.keep * len(x)) + 1, len(x) - 1)
            x = x[np.sort(required(rng).permutation(len(x))[:count])]
        return np.pad(x, ((0, self.shape[0] - len(x)), (0, 0)))

    def content(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """The vectors; rows of zeros are padding."""
        return {"": np.where(array.any(1, keepdims=True), array, np.nan)}

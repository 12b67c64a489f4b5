"""Discrete tokens of several modalities, side by side, of which some may be kept back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick
from mmjax.schema.slots import Slots


class SlotsView(View):
    """Tokens of all modalities of a record as i32[S], -1 where one is missing or not shown.

    The value is the array of their numbers, or the bytes of a `.npy` file, in the order of `slots`;
    each modality has its places, and numbers that count from 0 for it alone.

    Args:
      slots: modality -> (tokens, codes): how many places it has, and below what its numbers are.
      show: the modalities that are seen, such as those of a query; all, if empty.

    Attributes:
      shape: (S,), the places of all modalities.
      dtype: int32.

    Raises:
      ValueError: for no modality, and for one to show that is not there.
    """

    def __init__(self, *, slots: Slots, show: tuple[str, ...] = ()):
        if not slots:
            raise ValueError("slots view: 'slots' names no modality: {name: (tokens, codes)}")
        if unknown := [name for name in show if name not in slots]:
            raise ValueError(
                f"slots view: show={tuple(show)} names {unknown[0]!r}, which is none of "
                f"{', '.join(map(repr, slots))}"
            )
        self.slots = dict(slots)
        ends = np.cumsum([0, *(count for count, _ in slots.values())]).tolist()
        self._places = dict(zip(slots, pairwise(ends), strict=True))
        self._hidden = [self._places[name] for name in slots if show and name not in show]
        self.shape, self.dtype = (ends[-1],), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = numbers(pick(value, rng, train))
        if x.shape != self.shape:
            raise unusable(f"its shape is {list(x.shape)}, but the view takes {list(self.shape)}")
        if not (x == np.floor(x)).all():
            raise unusable("tokens are whole numbers, but some of it are not")
        for name, (start, end) in self._places.items():
            own, codes = x[start:end], self.slots[name][1]
            if not ((own >= -1) & (own < codes)).all():
                raise unusable(
                    f"tokens of {name!r} are from 0 to {codes - 1}, or -1, but it has "
                    f"{own.min():.0f} to {own.max():.0f}"
                )
        x = x.astype(np.int32)
        for start, end in self._hidden:
            x[start:end] = -1
        return x

"""Labels: what a record is said to be, for terms that use it; no tower embeds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.data.views.base import unusable


class LabelView:
    """An integer label as i32, such as the number of a class.

    Attributes:
      shape: ().
      dtype: int32.
      embedded: False: the batch holds it for the objective terms, and no tower is needed.
    """

    embedded = False

    def __init__(self):
        self.shape, self.dtype = (), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        array = np.asarray(value)
        if array.shape != () or not np.issubdtype(array.dtype, np.integer):
            raise unusable(f"it is not an integer but {value!r}")
        if not -(2**31) <= int(array) < 2**31:
            raise unusable(f"{value} does not fit in 32 bits")
        return array.astype(np.int32)

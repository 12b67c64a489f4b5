"""Class labels, one or several, for objective terms that use them; no tower embeds them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from mmjax.data.records import unusable
from mmjax.data.views.base import View
from mmjax.schema.bounds import Count


class LabelView(View):
    """A label as the i32 number of its class.

    Args:
      classes: names of the classes, in the order of their numbers. Without them a label is an
        integer already, or the text of one, as tables have it.

    Attributes:
      shape: ().
      dtype: int32.
      embedded: False: the batch holds it for the objective terms, and no tower is needed.
    """

    embedded = False
    reads_text = True

    def __init__(self, *, classes: tuple[str, ...] = ()):
        if twice := [name for name, count in Counter(classes).items() if count > 1]:
            raise ValueError(f"label view: duplicate class name {twice[0]!r}")
        self.numbers = {name: number for number, name in enumerate(classes)}
        self.shape, self.dtype = (), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        if self.numbers:
            if value not in self.numbers:
                raise unusable(f"{value!r} is none of the {len(self.numbers)} classes")
            return np.asarray(self.numbers[value], np.int32)
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError as error:
                raise unusable(f"{value!r} is no integer; name the classes in the view") from error
        array = np.asarray(value)
        if array.shape != () or not np.issubdtype(array.dtype, np.integer):
            raise unusable(f"it is not an integer but {value!r}")
        if not -(2**31) <= int(array) < 2**31:
            raise unusable(f"{value} does not fit in 32 bits")
        return array.astype(np.int32)


class LabelSetView(View):
    """Several labels as i32[length], such as the items of a bundle; -1 follows fewer of them.

    Args:
      length: the most labels; of more the first ones are taken.
      classes: as of the view `label`.

    Attributes:
      shape: (length,).
      dtype: int32.
      embedded: False.
    """

    embedded = False

    def __init__(self, *, length: Count, classes: tuple[str, ...] = ()):
        self.one = LabelView(classes=classes)
        self.shape, self.dtype = (length,), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        if not isinstance(value, list | tuple | np.ndarray) or np.ndim(value) != 1:
            raise unusable(f"it is no list of labels but {value!r}")
        found = [self.one(each, rng, train) for each in value[: self.shape[0]]]
        if any(each < 0 for each in found):
            raise unusable(f"{min(found)} is below 0, which says that there is no label")
        return np.array(found + [-1] * (self.shape[0] - len(found)), np.int32)

"""Batches of groups: rows of one label side by side, in an order that is still one integer.

    "groups": {"by": "label", "per": 3}

under `data`. A batch of B rows is then B / 3 groups of three rows with one label each: positives of
each other for supervised losses, or hard negatives where rows of one group are alike.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any

import numpy as np

from mmjax.data.records import Source
from mmjax.schema.annotations import LabelRef
from mmjax.schema.bounds import Bounds


@dataclasses.dataclass(frozen=True)
class GroupsConfig:
    """Which rows lie side by side.

    Attributes:
      by: the label that rows of one group share, or `id`.
      per: how many of one group lie side by side; a batch is a multiple of it.
    """

    by: LabelRef
    per: Annotated[int, Bounds(ge=2, le=2**20)]


class GroupedOrder:
    """The endless order of the rows of a source, `per` rows of one group after each other.

    In epoch e the rows of every group are shuffled and cut into pieces of `per`; the pieces of all
    groups are shuffled, and whole batches of them are the epoch. So a row stands at most once in an
    epoch. What is left of a group, fewer than `per` rows, is left out, and other rows in the next
    epoch; groups of fewer rows are never seen. Row k of the order is a function of k and the seed.

    Args:
      source: of the rows.
      config: of the recipe.
      batch_size: of all processes together.
      seed: of the order.
      offset: number of the source's first row.

    Raises:
      ValueError: for a source without the label, or too few groups for a batch.
    """

    def __init__(
        self, source: Source, config: GroupsConfig, *, batch_size: int, seed: int, offset: int = 0
    ):
        self.by, self.per, self.seed, self.offset = config.by, config.per, seed, offset
        if batch_size % config.per:
            raise ValueError(
                f"batch_size={batch_size} is no multiple of groups.per={config.per}, and a batch "
                "has whole groups"
            )
        number = _numbers(source, config.by)
        known = number >= 0
        sizes = np.bincount(number[known], minlength=1)
        rows = np.argsort(number, kind="stable")[(~known).sum() :]
        self._members = np.split(rows, np.cumsum(sizes)[:-1])
        pieces = sizes // self.per
        self._group = np.repeat(np.arange(len(sizes)), pieces)
        first = np.cumsum(pieces) - pieces
        self._place = np.arange(len(self._group)) - first[self._group]
        self.batches = len(self._group) * self.per // batch_size
        if not self.batches:
            raise ValueError(
                f"groups.per={self.per} by {self.by!r}: the source has {len(self._group)} such "
                f"groups, and a batch of {batch_size} needs {batch_size // self.per}: use a "
                "smaller batch or smaller groups"
            )
        self.groups = int((pieces > 0).sum())
        self.left_out = len(number) - int(sizes[pieces > 0].sum())
        self._rows = self.batches * batch_size  # of an epoch

    def __call__(self, index: int, _: Any = None) -> int:
        """The number of the row at a place of the order."""
        epoch, place = divmod(index, self._rows)
        piece = int(_permutation(len(self._group), self.seed, epoch, -1)[place // self.per])
        group = int(self._group[piece])
        members = self._members[group]
        order = _permutation(len(members), self.seed, epoch, group)
        within = int(self._place[piece]) * self.per + place % self.per
        return self.offset + int(members[order[within]])

    def describe(self) -> str:
        """One phrase for the header of a run."""
        said = f"{self.per} rows of one {self.by!r} side by side, of {self.groups:,} groups"
        if self.left_out:
            said += f" ({self.left_out:,} rows of smaller groups or without it are left out)"
        return said


@functools.lru_cache(maxsize=4096)
def _permutation(count: int, seed: int, epoch: int, group: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, group + 1]).permutation(count)


def _numbers(source: Source, by: str) -> np.ndarray:
    """A number for the label of each row, i64[N]; -1 where a row has none."""
    if by == "id":
        values: list[Any] = [source.id_of(row) for row in range(len(source))]
    elif by in source.label_fields:
        values = source.label_values(by)
    else:
        known = ", ".join(map(repr, ("id", *source.label_fields)))
        raise ValueError(f"groups.by={by!r}: the source has no such label, only {known}")
    number: dict[Any, int] = {}
    keys = [value.item() if isinstance(value, np.generic) else value for value in values]
    try:
        return np.array([-1 if k is None else number.setdefault(k, len(number)) for k in keys])
    except TypeError as error:
        raise ValueError(
            f"groups.by={by!r}: a label of a group should be a number or a text ({error})"
        ) from error

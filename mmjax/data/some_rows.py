"""Some of the rows of another source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmjax.data.around import Around
from mmjax.data.records import Record, Source
from mmjax.schema.registry import Spec


def neighbours(count: int, part: int, parts: int) -> range:
    """Of `count` rows those of one part: so that the parts in their order are all of them."""
    return range(count * part // parts, count * (part + 1) // parts)


class SomeRows(Around):
    """Chosen rows of a source, with their own ids.

    Args:
      source: the other one.
      rows: their numbers, in the order in which they are.
    """

    def __init__(self, source: Spec[Source] | Source, rows: Sequence[int] | np.ndarray):
        super().__init__(source)
        self.rows = rows
        self._listed = None

    def __len__(self) -> int:
        return len(self.rows)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(int(self.rows[index]))

    def __getitem__(self, index: int) -> Record:
        return self.inner[int(self.rows[index])]

    def describe(self) -> str:
        return f"{len(self):,} rows of {self.inner.describe()}"


class Stretch(SomeRows):
    """The rows start .. stop - 1 of a source, for one of several processes.

    The rows that the source left out are said to be so by the stretch that begins with the first.

    Args:
      source: the other one.
      start: the first row.
      stop: the row after the last.
    """

    def __init__(self, source: Source, start: int, stop: int):
        super().__init__(source, range(start, stop))
        self.bad = source.bad if start == 0 else ()

    def describe(self) -> str:
        return f"rows {self.rows[0]:,} to {self.rows[-1]:,} of {self.inner.describe()}"

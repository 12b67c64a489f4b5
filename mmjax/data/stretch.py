"""A stretch of the rows of another source, for one of several processes."""

from __future__ import annotations

from mmjax.data.around import Around
from mmjax.data.records import Record, Source


class Stretch(Around):
    """The rows start .. stop - 1 of a source, with their own ids.

    The rows that the source left out are said to be so by the stretch that begins with the first.

    Args:
      source: the other one.
      start: the first row.
      stop: the row after the last.
    """

    def __init__(self, source: Source, start: int, stop: int):
        super().__init__(source)
        self._rows = range(start, stop)
        self.bad = source.bad if start == 0 else ()
        self._listed = None

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(self._rows[index])

    def __getitem__(self, index: int) -> Record:
        return self.inner[self._rows[index]]

    def describe(self) -> str:
        whole = self.inner.describe()
        return f"rows {self._rows.start:,} to {self._rows.stop - 1:,} of {whole}"

"""Examples that are already in memory: for notebooks, tests and small sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmjax.data.records import Record, Source, SourceError


class MemorySource(Source):
    """Columns of values, one per modality or label; row i of each makes example i.

    Args:
      data: {modality: its values}. A value is what `Source` says, or a list of alternatives; None
        means that the example lacks this modality.
      labels: {label: its values} to carry along.
      name: what the examples are called in messages.

    Raises:
      SourceError: if columns differ in length or there are none.
    """

    def __init__(
        self, *, data: dict[str, Any], labels: dict[str, Any] | None = None, name: str = "memory"
    ):
        self.data: dict[str, Sequence[Any]] = dict(data)
        self._labels: dict[str, Sequence[Any]] = dict(labels or {})
        for column, values in (self.data | self._labels).items():
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise SourceError(f"{name}: {column!r} should be a list of values, not {values!r}")
        sizes = {column: len(values) for column, values in (self.data | self._labels).items()}
        if not self.data or not min(sizes.values()):
            raise SourceError(f"{name}: there are no examples in data")
        if len(set(sizes.values())) > 1:
            raise SourceError(f"{name}: the columns differ in length: {sizes}")
        self.name, self.modalities = name, tuple(self.data)
        self.label_fields = tuple(self._labels)
        self.may_lack = tuple(
            m for m, values in self.data.items() if any(value is None for value in values)
        )
        self.id_limit = next(iter(sizes.values()))

    def __len__(self) -> int:
        return self.id_limit

    def __getitem__(self, index: int) -> Record:
        record: Record = {"id": index, "key": f"{self.name} row {index}"}
        for column, values in (self.data | self._labels).items():
            if values[index] is not None:
                record[column] = values[index]
        return record

    def describe(self) -> str:
        return f"{self.name}: {len(self):,} examples in memory"

"""Examples that are already in memory: for notebooks, tests and small sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmjax.data.formats.files import read_file
from mmjax.data.formats.images import cropped
from mmjax.data.records import BadExample, Record, Source, SourceError


class MemorySource(Source):
    """Columns of values, one per modality or label; row i of each makes example i.

    Args:
      data: {modality: its values}. A value is what `Source` says, or a list of alternatives; None
        means that the example lacks this modality.
      labels: {label: its values} to carry along.
      files: modalities whose values are names of files, or lists of names, which are read when they
        are asked for.
      boxes: {modality of images: for each of its values what part of it is the example: left, top,
        width and height in pixels}, as tables of detected or annotated regions have it.
      name: what the examples are called in messages.

    Raises:
      SourceError: if columns differ in length or there are none.
    """

    def __init__(
        self,
        *,
        data: dict[str, Any],
        labels: dict[str, Any] | None = None,
        files: tuple[str, ...] = (),
        boxes: dict[str, Any] | None = None,
        name: str = "memory",
    ):
        self._boxes: dict[str, Sequence[Any]] = dict(boxes or {})
        for option, named in (("files", files), ("boxes", self._boxes)):
            for modality in named:
                if modality not in data:
                    raise SourceError(
                        f"{name}: {option} names {modality!r}, which data does not have"
                    )
        self.data: dict[str, Sequence[Any]] = dict(data)
        self._labels: dict[str, Sequence[Any]] = dict(labels or {})
        every = self.data | self._labels | {f"boxes of {m}": b for m, b in self._boxes.items()}
        for column, values in every.items():
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise SourceError(f"{name}: {column!r} should be a list of values, not {values!r}")
        sizes = {column: len(values) for column, values in every.items()}
        if not self.data or not min(sizes.values()):
            raise SourceError(f"{name}: there are no examples in data")
        if len(set(sizes.values())) > 1:
            raise SourceError(f"{name}: the columns differ in length: {sizes}")
        self.name, self.modalities, self.files = name, tuple(self.data), files
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
            if values[index] is None:
                continue
            value = values[index]
            if column in self.files:
                value = self._read(value, record["key"], column)
            if column in self._boxes:
                value = _part(value, self._boxes[column][index], record["key"], column)
            record[column] = value
        return record

    def _read(self, value: Any, key: str, field: str) -> Any:
        if isinstance(value, list | tuple):
            return [read_file(each, key, field) for each in value]
        return read_file(value, key, field)

    def describe(self) -> str:
        return f"{self.name}: {len(self):,} examples in memory"


def _part(value: Any, box: Any, key: str, field: str) -> Any:
    try:
        return cropped(value, box)
    except BadExample as error:
        raise BadExample(key, field, error.reason) from error

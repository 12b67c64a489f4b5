"""Makes the rows of a batch from records; bad examples are left empty and reported."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from mmjax.data.records import BadExample, Record, Source
from mmjax.data.views import View, field_of, group_of, render

Batch = dict[str, np.ndarray]


class SourceRows:
    """A source that gives (record or error) with ids moved to their range in a mixture."""

    def __init__(self, source: Source, offset: int, limit: int, on_error: str):
        self.source, self.offset, self.limit, self.on_error = source, offset, limit, on_error

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[int, Record | BadExample]:
        try:
            record = self.source[index]
        except BadExample as error:
            if self.on_error == "fail":
                raise
            return self.offset + self.source.id_of(index), error
        if not 0 <= record["id"] < self.limit:
            raise ValueError(
                f"{record['key']}: the id {record['id']} is not below {self.limit}; a source whose "
                "ids are not 0 .. len - 1 has to set its id_limit"
            )
        return self.offset + record["id"], record


def entries(
    views: Mapping[str, View], maybe_absent: Iterable[str], rows: int
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """name -> (shape, dtype) of every array of a batch.

    Args:
      views: name -> view.
      maybe_absent: fields that a row may be without, each with its `<field>_present`.
      rows: of the batch.
    """
    found = {name: ((rows, *view.shape), np.dtype(view.dtype)) for name, view in views.items()}
    found["id"] = ((rows,), np.dtype(np.int32))
    return found | {f"{each}_present": ((rows,), np.dtype(bool)) for each in maybe_absent}


class MakeBatch:
    """Reads the rows of a batch and renders their views, each straight into its place.

    The random numbers of a row are the Philox stream (Salmon et al. 2011) whose key is the seed and
    whose counter starts with the row's place in the global order.

    Args:
      sources: whose rows are numbered through, those of the second after those of the first.
      views, maybe_absent, on_error: see `TrainData`.
      fields: of a record that each view reads, by the view's name.
      seed: of the augmentation.
    """

    def __init__(
        self,
        sources: Sequence[SourceRows],
        views: Mapping[str, View],
        fields: Mapping[str, str],
        maybe_absent: Sequence[str],
        on_error: str,
        seed: int,
    ):
        self.sources, self.views, self.fields = tuple(sources), views, fields
        self.groups = {name: group_of(name, view) for name, view in views.items()}
        self.maybe_absent, self.on_error, self.seed = maybe_absent, on_error, seed
        self._ends = list(itertools.accumulate(map(len, self.sources)))

    def __call__(
        self, block: int, numbers: Sequence[int]
    ) -> tuple[Batch, list[tuple[str, str, str]]]:
        """The batch of these rows and its bad fields.

        Args:
          block: its place among blocks of this length in the global order.
          numbers: of the rows.
        """
        rows = [self._read(number) for number in numbers]
        of_batch = entries(self.views, self.maybe_absent, len(rows))
        batch = {name: np.zeros(shape, dtype) for name, (shape, dtype) in of_batch.items()}
        batch["id"][:] = [identity for identity, _ in rows]
        for modality in self.maybe_absent:
            batch[f"{modality}_present"][:] = True
        bits = np.random.Philox(key=self.seed)
        rng, start, bad = np.random.Generator(bits), bits.state, []
        for row, (_, record) in enumerate(rows):
            start["state"]["counter"][3] = block * len(rows) + row
            bits.state = start
            bad += self._fill(batch, row, record, rng)
        return batch, [(error.key, error.field, error.reason) for error in bad]

    def _read(self, number: int) -> tuple[int, Record | BadExample]:
        which = bisect.bisect_right(self._ends, number)
        return self.sources[which][number - (self._ends[which - 1] if which else 0)]

    def _fill(
        self, batch: Batch, row: int, record: Record | BadExample, rng: np.random.Generator
    ) -> list[BadExample]:
        bad: dict[str, BadExample] = {}
        absent: set[str] = set()
        if isinstance(record, BadExample):
            bad[record.field], record = record, {"key": record.key}
        for name, view in self.views.items():
            field = self.fields[name]
            try:
                array = render(view, record, field, rng, True)
            except BadExample as error:
                if self.on_error == "fail":
                    raise
                array, bad[field] = None, error
            if array is not None:
                batch[name][row] = array
            elif (group := self.groups[name]) in self.maybe_absent:
                absent.add(group)
            else:
                raise BadExample(record["key"], field, "the record lacks it")
        for group in absent:
            batch[f"{group}_present"][row] = False
            for name, own in self.groups.items():  # without one view of it, no other is there
                if own == group:
                    batch[name][row] = 0
        return list(bad.values())


def bad_examples(source: Source, views: Mapping[str, View]) -> Iterator[BadExample]:
    """Reads every example of a source and renders each of its alternatives, as evaluation does.

    A field that the source says a record may lack, or that it does not have at all, may be missing.
    """
    needed = set(source.readable) - set(source.may_lack)
    fields = {name: field_of(name, view, source.readable) for name, view in views.items()}
    for index in range(len(source)):
        try:
            record = source[index]
        except BadExample as error:
            yield error
            continue
        for name, view in views.items():
            field = fields[name]
            if field not in record:
                if field in needed:
                    yield BadExample(record["key"], field, "the record lacks it")
                continue
            value = record[field]
            for one in value if isinstance(value, list | tuple) else [value]:
                try:
                    render(view, {**record, field: one}, field, None, False)
                except BadExample as error:
                    yield error

"""The source `alternatives`: every alternative of a record as a row of its own."""

from __future__ import annotations

from typing import Annotated, Any

from mmjax.data.around import Around
from mmjax.data.records import BadExample, Record, Source, SourceError, options
from mmjax.data.registry import SOURCES
from mmjax.schema.registry import Spec


class Alternatives(Around):
    """One row for each alternative that records have of some fields, such as photos of a product.

    Row i of a record has the i-th alternative of each of the `fields`, and as many rows come of it
    as all of these have. Rows of a record keep its id, which is also the label `record`: for
    batches with several of one thing (`data.groups`), and for evaluators that look for the others.

    Every record is read once, when the source is opened.

    Args:
      source: of the records.
      fields: whose alternatives are taken apart; other fields stay as they are.

    Raises:
      SourceError: for no field, and for one that the source lacks.
    """

    def __init__(self, *, source: Annotated[Spec[Source], SOURCES], fields: tuple[str, ...]):
        super().__init__(source)
        if not fields:
            raise SourceError("alternatives: 'fields' is empty: name a field of the records")
        for field in fields:
            if field not in self.inner.modalities:
                raise SourceError(
                    f"alternatives: the source has no field {field!r}, only "
                    f"{', '.join(map(repr, self.inner.modalities))}"
                )
        self.fields = tuple(fields)
        self.rows = [(row, i) for row in range(len(self.inner)) for i in range(self._count(row))]
        self.label_fields = (*self.inner.label_fields, "record")
        self._listed = None

    def _count(self, row: int) -> int:
        """Rows of a record; one of a record that cannot be read, which then says so."""
        try:
            record = self.inner[row]
        except BadExample:
            return 1
        return min((len(options(record[f])) for f in self.fields if f in record), default=1)

    def __len__(self) -> int:
        return len(self.rows)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(self.rows[index][0])

    def label_values(self, field: str) -> list[Any]:
        if field == "record":
            return [self.id_of(index) for index in range(len(self))]
        values = self.inner.label_values(field)
        return [values[row] for row, _ in self.rows]

    def __getitem__(self, index: int) -> Record:
        row, i = self.rows[index]
        record = dict(self.inner[row])
        record |= {field: options(record[field])[i] for field in self.fields if field in record}
        return {**record, "record": record["id"], "key": f"{record['key']}, alternative {i}"}

    def describe(self) -> str:
        what = " and ".join(self.fields)
        return f"{self.inner.describe()}, {len(self):,} rows of one {what} each"


SOURCES.register("alternatives", Alternatives)

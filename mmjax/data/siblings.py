"""The source `sibling_pairs`: two records of a group as one, for hard negatives."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from mmjax.data.around import Around
from mmjax.data.records import Record, Source, SourceError, options
from mmjax.data.registry import SOURCES
from mmjax.schema.annotations import LabelRef
from mmjax.schema.registry import Spec


class SiblingPairs(Around):
    """Pairs of records of one group, so that a batch has both: they are hard to tell apart.

    A row is a record together with another of its group, whose modalities it has as
    `<modality>_sibling` (what a view reads as its `field`) and whose id as the label `sibling`. All
    pairs of a group are rows, and a record that is alone in its group is one without a sibling. Of
    edited images and their captions it makes the batches of generative negative mining (Sahin et
    al. 2024, arXiv 2311.03964), without their scores.

    With `edit`, a field of texts, every pair is two rows, one each way, and the field `edit` says
    what makes the sibling of a record: the words of the sibling's text that its own lacks, such as
    "woman" from "man astronaut" to "woman astronaut". Rows lack it where there are none.

    Every record is read once, when the source is opened. A table of many files should rather name
    both of a pair in one row.

    Args:
      source: of the single records.
      by: the label that records of one group share. Records without it are alone.
      alone: whether records without a sibling are rows.
      edit: a field of texts; of several the first counts.

    Raises:
      SourceError: when no two records share a label.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        by: LabelRef,
        alone: bool = True,
        edit: str | None = None,
    ):
        super().__init__(source)
        if edit is not None and edit not in self.inner.modalities:
            raise SourceError(
                f"sibling_pairs: edit={edit!r} is no field of the source, only "
                f"{', '.join(map(repr, self.inner.modalities))}"
            )
        self.edit = edit
        pairs = itertools.combinations if edit is None else itertools.permutations
        groups: dict[Any, list[int]] = {}
        for row in range(len(self.inner)):
            label = self.inner[row].get(by)
            groups.setdefault(("alone", row) if label is None else label, []).append(row)
        self.rows: list[tuple[int, ...]] = []
        for members in groups.values():
            if len(members) > 1:
                self.rows += pairs(members, 2)
            elif alone:
                self.rows.append((members[0],))
        self.siblings = sum(len(row) == 2 for row in self.rows)
        if not self.siblings:
            raise SourceError(
                f"sibling_pairs: no two records have the same {by!r}; their labels are "
                f"{', '.join(map(repr, self.inner.label_fields)) or 'none'}"
            )
        names = {name: f"{name}_sibling" for name in self.inner.modalities}
        lacking = names if self.siblings < len(self.rows) else self.inner.may_lack
        self.names, self.modalities = names, (*names, *names.values())
        self.may_lack = (*self.inner.may_lack, *(names[name] for name in lacking))
        if edit is not None:
            self.modalities, self.may_lack = (*self.modalities, "edit"), (*self.may_lack, "edit")
        self.label_fields = (*self.inner.label_fields, "sibling")
        self._listed = None

    def __len__(self) -> int:
        return len(self.rows)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(self.rows[index][0])

    def __getitem__(self, index: int) -> Record:
        first, *other = (self.inner[row] for row in self.rows[index])
        record = dict(first)
        for sibling in other:
            record["key"] = f"{first['key']} with {sibling['key']}"
            record["sibling"] = sibling["id"]
            record |= {new: sibling[name] for name, new in self.names.items() if name in sibling}
            if self.edit is not None and (said := _edit(first, sibling, self.edit)):
                record["edit"] = said
        return record

    def describe(self) -> str:
        return f"{self.inner.describe()}, {self.siblings:,} pairs of siblings"


def _edit(first: Record, other: Record, field: str) -> str:
    """The words of a text of one record that that of another lacks."""
    if field not in first or field not in other:
        return ""
    own, said = (str(options(record[field])[0]).split() for record in (first, other))
    return " ".join(word for word in said if word not in own)


SOURCES.register("sibling_pairs", SiblingPairs)

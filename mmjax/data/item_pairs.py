"""The source `item_pairs`: what a set has, beside something that it has not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from mmjax.data.around import Around
from mmjax.data.item_sets import read_sets
from mmjax.data.records import Record, Source, SourceError
from mmjax.data.registry import SOURCES
from mmjax.schema.bounds import Count, NonNegativeInt
from mmjax.schema.registry import Spec


class ItemPairs(Around):
    """One row for each member of a set, beside an item that is none of the set: users' choices.

    `sets` is a file of pairs as of the source `item_sets`, such as the interactions of users with
    items. A row has the modalities of the member's record, `<modality>_other` of a random item that
    the set has not, the numbers `set`, `item` and `item_other` (places in the catalogue), and the
    label `number`, the member's place. It is for losses such as `bpr`.

    Without `sets` every record of the catalogue is a row, with `item` and `number`.

    Args:
      source: the catalogue.
      sets: the file.
      others: how many other items stand beside each member, a row each; an epoch is so much longer.
      seed: of the other items.

    Raises:
      SourceError: for a file without pairs, with a member that the catalogue lacks, or with a set
        that has all items.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        sets: str | None = None,
        others: Count = 1,
        seed: NonNegativeInt = 0,
    ):
        super().__init__(source)
        names = (*self.inner.modalities, "item")
        self.label_fields = (*self.inner.label_fields, "number")
        self.modalities, self._listed = names, None
        self.sets, count = sets, len(self.inner)
        self.of_set = self.member = self.other = np.zeros(0, np.int64)
        if sets is None:
            return
        place = {self.inner.id_of(row): row for row in range(count)}
        found = read_sets(sets, place)
        rng = np.random.default_rng(seed)
        rows = []
        for number, members in found.items():
            free = np.setdiff1d(np.arange(count), members)
            if not len(free):
                raise SourceError(f"item_pairs: the set {number} of {sets} has all items")
            for member in np.repeat(members, others):
                rows.append((number, member, rng.choice(free)))
        self.of_set, self.member, self.other = np.array(rows, np.int64).T
        self.modalities = ("set", *names, *(f"{name}_other" for name in names))
        self.may_lack = (*self.inner.may_lack, *(f"{name}_other" for name in self.inner.may_lack))
        self._id_limit = None

    def __len__(self) -> int:
        return len(self.inner) if self.sets is None else len(self.member)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(index) if self.sets is None else index

    def label_values(self, field: str) -> list[Any]:
        places = np.arange(len(self.inner)) if self.sets is None else self.member
        if field == "number":
            return list(places.tolist())
        values = self.inner.label_values(field)
        return [values[place] for place in places]

    def __getitem__(self, index: int) -> Record:
        if self.sets is None:
            return {**self.inner[index], "item": index, "number": index}
        own, other = int(self.member[index]), int(self.other[index])
        first, second = self.inner[own], self.inner[other]
        number = int(self.of_set[index])
        record = {**first, "id": index, "key": f"set {number} with {first['key']}"}
        record |= {f"{n}_other": second[n] for n in self.inner.modalities if n in second}
        return {**record, "set": number, "item": own, "item_other": other, "number": own}

    def describe(self) -> str:
        if self.sets is None:
            return self.inner.describe()
        return f"{self.inner.describe()}, {len(self):,} pairs of sets and members"


SOURCES.register("item_pairs", ItemPairs)

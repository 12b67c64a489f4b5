"""Matching: of the alternatives that a record has, those that a trained model finds nearest.

    "match": {"text": {"by": "image", "top": 4}}

under `data` of a stage: of a record's texts, such as many descriptions of its class, the stage
trains on the four that the model, as the stage begins, finds most similar to the record's image.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from mmjax.data.around import Around
from mmjax.data.records import Record, Source, options
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count

Chosen = Sequence[Sequence[int]]  # of each row, its alternatives that are kept, the best first


@dataclasses.dataclass(frozen=True)
class MatchConfig:
    """Which alternatives of a view's field a stage keeps.

    Image-specific texts: Lewis et al. 2023 (arXiv 2307.11315, GIST).

    Attributes:
      by: the view that they should fit; of its alternatives the first counts.
      top: how many are kept.
      also: further fields, of which the same places are kept.
    """

    by: ViewRef
    top: Count = 1
    also: tuple[str, ...] = ()


class Matched(Around):
    """A source of whose fields some alternatives are kept.

    Args:
      source: the other one; its bad rows have been reported.
      chosen: field -> those of each row. A row with none keeps all.
    """

    def __init__(self, source: Source, chosen: Mapping[str, Chosen]):
        super().__init__(source)
        self.chosen, self.bad = chosen, ()

    def __getitem__(self, index: int) -> Record:
        record = dict(self.inner[index])
        for field, rows in self.chosen.items():
            if field in record and rows[index]:
                values = options(record[field])
                record[field] = [values[i] for i in rows[index] if i < len(values)]
        return record

    def label_values(self, field: str) -> list[object]:
        return self.inner.label_values(field)

    def describe(self) -> str:
        return f"{self.inner.describe()}, the nearest of {', '.join(self.chosen)}"

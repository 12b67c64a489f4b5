"""Sources around sources: another source's records, changed."""

from __future__ import annotations

from mmjax.data.records import Source
from mmjax.schema.registry import Spec


class Around(Source):
    """Base of sources that change the records of another one, row by row.

    Args:
      source: the other one.
    """

    def __init__(self, source: Spec[Source] | Source):
        self.inner = source if isinstance(source, Source) else source.build()
        self.modalities, self.label_fields = self.inner.modalities, self.inner.label_fields
        self.may_lack, self.bad = self.inner.may_lack, self.inner.bad
        self._listed, self._id_limit = self.inner.listed, self.inner.id_limit

    def __len__(self) -> int:
        return len(self.inner)

    def id_of(self, index: int) -> int:
        return self.inner.id_of(index)

    def labels(self, field: str, language: str = "en") -> list[str] | None:
        return self.inner.labels(field, language)

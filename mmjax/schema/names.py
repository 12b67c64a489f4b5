"""Names of views: `image` is the first view of the modality `image`, and `image@2` its second.

What stands behind the `@` tells views of one modality apart and may be any word: two augmentations
of one image are `image` and `image@2`, a caption in French beside the English one `text@fr`. All
views of a modality read its field of a record and go through its tower.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ViewName(NamedTuple):
    """The two parts of a view's name.

    Attributes:
      modality: the field that it reads and the tower that embeds it.
      label: what tells it from other views of the modality; empty for the first.
    """

    modality: str
    label: str = ""

    @classmethod
    def parse(cls, name: str) -> ViewName:
        """`image@2` is ViewName('image', '2'); `image` is ViewName('image', '')."""
        modality, _, label = name.partition("@")
        return cls(modality, label)

    def __str__(self) -> str:
        return f"{self.modality}@{self.label}" if self.label else self.modality


def modality_of(name: str) -> str:
    """The modality of a view, by its name."""
    return ViewName.parse(name).modality


def views_of(modality: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are views of a modality, in their order."""
    return [name for name in names if modality_of(name) == modality]

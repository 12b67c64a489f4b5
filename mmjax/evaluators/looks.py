"""What an evaluator lets a person see: a few examples with what the model makes of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from mmjax.data.some_rows import SomeRows
from mmjax.evaluators.data import Embedded, EvalData

COUNT = 6  # examples that are shown


@dataclasses.dataclass(frozen=True)
class Row:
    """An example.

    Attributes:
      items, place: what is shown is `items.raw(place)`.
      text: words beside it.
      maps: caption -> numbers f[h, w] of its parts, drawn over it where it is an image.
      region: bool[h, w], the parts that the maps should show.
      words: (word, weight) pairs, the largest first.
      said: (what says it, text) pairs, such as generated captions.
    """

    items: Embedded
    place: int
    text: str = ""
    maps: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    region: np.ndarray | None = None
    words: tuple[tuple[str, float], ...] = ()
    said: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Look:
    """What is shown of an evaluator.

    Attributes:
      title: of the part of the page.
      note: a sentence that says how to read it.
      rows: the examples.
    """

    title: str
    note: str
    rows: tuple[Row, ...]


def few(data: EvalData, count: int = COUNT, seed: int = 0) -> EvalData:
    """Some records of a source, drawn at random and not by how well they look."""
    drawn = np.random.default_rng(seed).permutation(len(data.source))[:count]
    return EvalData(SomeRows(data.source, np.sort(drawn)), data.views, data.batch_size)

"""Base of synthetic sources: columns in memory, and seeds for a world and for its splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mmjax.data.records import Record, Source
from mmjax.schema.bounds import Count, NonNegativeInt

WORLD = 1000  # part of a seed that no split has


class Columns(Source):
    """Records made of columns of values.

    Args:
      name: of the source, for keys and messages.
      split: of these records.
      fields: modality or label -> N values, or None where a record lacks it.
      modalities: the fields that a tower can embed; the others are labels.
      ids: i64[N]; the rows' numbers if left out.
    """

    name: str

    def __init__(
        self,
        name: str,
        split: str,
        fields: Mapping[str, Any],
        modalities: tuple[str, ...],
        ids: np.ndarray | None = None,
    ):
        self.name, self.split, self.modalities = name, split, modalities
        self._hold(fields, ids)

    def _hold(self, fields: Mapping[str, Any], ids: np.ndarray | None) -> None:
        self.fields = dict(fields)
        self.label_fields = tuple(field for field in fields if field not in self.modalities)
        sizes = {field: len(values) for field, values in fields.items()}
        self._length = next(iter(sizes.values()))
        if len(set(sizes.values())) != 1:
            raise ValueError(f"{self.name}: the fields have different lengths: {sizes}")
        self._ids = np.arange(self._length) if ids is None else ids
        self._id_limit = self._id_limit or int(self._ids.max()) + 1
        lacking = {m for m in self.modalities if any(v is None for v in fields.get(m, ()))}
        self.may_lack = tuple(m for m in self.modalities if m in {*lacking, *self.may_lack})

    def __len__(self) -> int:
        return self._length

    def id_of(self, index: int) -> int:
        return int(self._ids[index])

    def label_values(self, field: str) -> list[Any]:
        return list(self.fields[field])

    def __getitem__(self, index: int) -> Record:
        record = {"id": self.id_of(index), "key": f"{self.name} {self.split} row {index}"}
        for field, values in self.fields.items():
            if values[index] is not None:
                record[field] = values[index]
        return record

    def describe(self) -> str:
        return f"{self.name}, {self.split}: {len(self):,} rows of {', '.join(self.modalities)}"


@dataclass(kw_only=True, eq=False, repr=False)
class Generated(Columns):
    """Records that are drawn from a formula with a seed.

    A generator is a dataclass: its fields are what a recipe may set. It narrows `split` to the
    names of its `splits`, adds options of its own, and implements `draw`.

    Attributes:
      name: of the source, for keys and messages.
      splits: split -> its number of rows where none is asked for.
      streams: split -> its number in the seed, where that is not its place in `splits`.
      modalities: the columns that a tower can embed; the others are labels.

    Args:
      split: which rows are drawn.
      examples: their number, if another than in `splits`.
      seed: of everything.

    Raises:
      ValueError: for an unknown split, a size below 1, and options that `draw` refuses.
    """

    splits: ClassVar[Mapping[str, int]]
    streams: ClassVar[Mapping[str, int]] = {}

    split: str = "train"
    examples: Count | None = None
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.split not in self.splits:
            known = ", ".join(map(repr, self.splits))
            raise ValueError(f"{self.name}: split is {self.split!r}; it can be {known}")
        count = self.splits[self.split] if self.examples is None else self.examples
        if count < 1:
            raise ValueError(f"{self.name}: examples={self.examples} must be at least 1")
        world = np.random.default_rng([self.seed, WORLD])
        columns = dict(self.draw(count, world, np.random.default_rng([self.seed, self.stream])))
        ids = columns.pop("id", None)
        self._hold(columns, ids)

    @property
    def stream(self) -> int:
        """The number of the split in the seed."""
        return self.streams.get(self.split, list(self.splits).index(self.split))

    @abstractmethod
    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        """The columns of a split: modality or label -> values, None where a record lacks it.

        A column `id`, i64[N], gives ids other than the rows' numbers.

        Args:
          count: number of rows.
          world: random numbers that all splits share.
          rng: random numbers of this split.
        """


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """f32 numbers of N(0, scale²)."""
    return rng.standard_normal(shape, np.float32) * np.float32(scale)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    rows: np.ndarray = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return rows

"""What generated sources share: arrays in memory, and seeds for a world and for its splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.data.records import Record, Source

WORLD = 1000  # part of a seed that no split has


class Generated(Source):
    """Records made of arrays that were drawn beforehand.

    Args:
      name: of the source, for keys and messages.
      split: of this draw.
      fields: modality or label -> N values, or None where a record lacks it.
      modalities: the fields that a tower can embed; the others are labels.
      ids: i64[N]; the rows' numbers if left out.
    """

    def __init__(
        self,
        name: str,
        split: str,
        fields: Mapping[str, Any],
        modalities: tuple[str, ...],
        ids: np.ndarray | None = None,
    ):
        self.name, self.split, self.fields = name, split, dict(fields)
        self.modalities = modalities
        self.label_fields = tuple(field for field in fields if field not in modalities)
        sizes = {field: len(values) for field, values in fields.items()}
        self._length = next(iter(sizes.values()))
        if len(set(sizes.values())) != 1:
            raise ValueError(f"{name}: the fields have different lengths: {sizes}")
        self.ids = np.arange(self._length) if ids is None else ids
        self.id_limit = int(self.ids.max()) + 1
        self.may_lack = tuple(m for m in modalities if any(value is None for value in fields[m]))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Record:
        record = {"id": int(self.ids[index]), "key": f"{self.name} {self.split} row {index}"}
        for field, values in self.fields.items():
            if values[index] is not None:
                record[field] = values[index]
        return record

    def describe(self) -> str:
        return f"{self.name}, {self.split}: {len(self):,} rows of {', '.join(self.modalities)}"


def begin(
    name: str, split: str, splits: Mapping[str, int], examples: int | None, seed: int
) -> tuple[int, np.random.Generator, np.random.Generator]:
    """What a source draws its split with.

    Args:
      name: of the source, for messages.
      split: which one.
      splits: split -> its number of rows where none is asked for.
      examples: the number of rows that is asked for.
      seed: of everything.

    Returns:
      (number of rows, random numbers of the world, which all splits share, and of this split).

    Raises:
      ValueError: for an unknown split or a size below 1.
    """
    if split not in splits:
        raise ValueError(f"{name}: split is {split!r}; it can be {', '.join(map(repr, splits))}")
    count = splits[split] if examples is None else examples
    if count < 1:
        raise ValueError(f"{name}: examples={examples} must be at least 1")
    number = list(splits).index(split)
    return count, np.random.default_rng([seed, WORLD]), np.random.default_rng([seed, number])


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """f32 numbers of N(0, scale²)."""
    return rng.standard_normal(shape, np.float32) * np.float32(scale)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)

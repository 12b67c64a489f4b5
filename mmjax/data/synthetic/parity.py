"""Parity data: any pair of bits is independent, all together are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Count, Fraction

_SPLITS = {"train": 10_000, "test": 5000}


@dataclass(kw_only=True, eq=False, repr=False)
class Xor(Generated):
    """Three modalities a, b, c, and c is a xor b with probability p, else a.

    a, b ~ Bernoulli(1/2)^d, i ~ Bernoulli(p) once for each row, c = a xor b if i = 1, else a.
    Saporta et al. 2024 (arXiv 2411.01053, section 5.1). With p = 1 a and c give b together and
    neither does alone; with p = 0 b is independent of both.

    The split 'test' is laid out for retrieval of b from (a, c): its first 2^d rows are candidates,
    with b alone and the number of its bits as id; the others have a and c, and the id of their b.

    Args:
      split: 'train' (10,000 rows) or 'test' (5,000 queries).
      examples: number of rows (queries), if another.
      p: probability of xor.
      dim: d, bits of each modality.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"
    p: Fraction = 1.0
    dim: Count = 5

    name = "xor"
    splits: ClassVar = _SPLITS
    modalities = ("a", "b", "c")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if not 0 <= self.p <= 1 or not 1 <= self.dim <= 16:
            raise ValueError(f"xor: p={self.p} must be in [0, 1] and dim={self.dim} in 1..16")
        a, b = rng.integers(2, size=(2, count, self.dim))
        c = np.where(rng.random((count, 1)) < self.p, a ^ b, a)
        fields = {"a": _bits(a), "b": _bits(b), "c": _bits(c)}
        return _candidates(fields, "b", b) if self.split == "test" else fields


@dataclass(kw_only=True, eq=False, repr=False)
class Parity(Generated):
    """Eight modalities of one bit each, the last of them the parity of the other seven.

    The example in the authors' code of Saporta et al. 2024 (arXiv 2411.01053): a, ..., g ~
    Bernoulli(1/2), h = a xor ... xor g. The split 'test' is laid out for retrieval of a from the
    others, as that of `Xor`.

    Args:
      split: 'train' (10,000 rows) or 'test' (5,000 queries).
      examples: number of rows (queries), if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "parity"
    splits: ClassVar = _SPLITS
    modalities = tuple("abcdefgh")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        bits = rng.integers(2, size=(count, 7))
        bits = np.concatenate([bits, bits.sum(1, keepdims=True) % 2], axis=1)
        fields = {name: _bits(bits[:, [i]]) for i, name in enumerate("abcdefgh")}
        return _candidates(fields, "a", bits[:, :1]) if self.split == "test" else fields


def _bits(x: np.ndarray) -> list[np.ndarray]:
    return list(x.astype(np.float32))


def _candidates(fields: dict[str, list[Any]], target: str, bits: np.ndarray) -> dict[str, Any]:
    """Columns and ids with all values of `target` in front, and the queries, without it, after."""
    powers = 2 ** np.arange(bits.shape[1])
    everything = (np.arange(2 ** bits.shape[1])[:, None] >> np.arange(bits.shape[1])) & 1
    laid_out = {}
    for name, values in fields.items():
        none = [None] * (len(everything) if name != target else len(bits))
        laid_out[name] = _bits(everything) + none if name == target else none + values
    return {**laid_out, "id": np.concatenate([everything @ powers, bits @ powers])}

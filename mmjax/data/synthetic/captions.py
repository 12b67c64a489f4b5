"""Synthetic images with captions: in several languages, and with noisy (wrong) captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit
from mmjax.schema.bounds import Fraction


@dataclass(kw_only=True, eq=False, repr=False)
class Translations(Generated):
    """An image and its caption in six languages, each translated a little worse than the last.

    z ~ N(0, I_24); `image` = tanh(1.5 A z) + 0.1 noise in R^64; `text_k` = tanh(1.5 C_k z_k) in
    R^48 with z_k = z + σ_k N(0, I), σ = 0.1, 0.2, ..., 0.6 for k = 1, ..., 6; entries of A and C_k
    are N(0, 1/24).

    Args:
      split: 'train' (3,000 rows) or 'test' (500).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "translations"
    splits: ClassVar = {"train": 3000, "test": 500}
    modalities = ("image", *(f"text_{k}" for k in range(1, 7)))

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        z = normal(rng, count, 24)
        seen = np.tanh(1.5 * z @ normal(world, 24, 64, scale=24**-0.5))
        fields = {"image": seen + normal(rng, count, 64, scale=0.1)}
        for k in range(1, 7):
            own = z + normal(rng, count, 24, scale=0.1 * k)
            fields[f"text_{k}"] = np.tanh(1.5 * own @ normal(world, 24, 48, scale=24**-0.5))
        return fields


@dataclass(kw_only=True, eq=False, repr=False)
class NoisyCaptions(Generated):
    """Images with noisy captions of twelve words, a share of which is wrong.

    50 centres N(0, I_32), z = centre + 0.5 N(0, I); `image` = tanh(A z) + 0.2 noise in R^128 with A
    of N(0, 1/32); each of 12 words is drawn from softmax(z·w_v / 0.3) over 500 words with random
    unit vectors w_v, and `text`, f32[500], is the share of each word, so that its product with a
    table of embeddings is their mean. With probability `mismatched` the caption is that of another
    z, and with probability `garbled` half of its words are drawn at random.

    Args:
      split: 'train' (20,000 rows), 'val' (1,000) or 'test' (1,000).
      examples: number of rows, if another.
      mismatched, garbled: probabilities.
      seed: of everything; rows of another number of examples are drawn afresh.
    """

    split: Literal["train", "val", "test"] = "train"
    mismatched: Fraction = 0.0
    garbled: Fraction = 0.0

    name = "noisy_captions"
    splits: ClassVar = {"train": 20_000, "val": 1000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        del rng  # rows of another number of examples are drawn afresh
        if not (0 <= self.mismatched <= 1 and 0 <= self.garbled <= 1):
            raise ValueError(
                f"noisy_captions: mismatched={self.mismatched} and garbled={self.garbled} must be "
                "in [0, 1]"
            )
        rng = np.random.default_rng([self.seed, self.stream, count])
        centres = normal(world, 50, 32)
        picture = normal(world, 32, 128, scale=32**-0.5)
        words = unit(normal(world, 500, 32))

        def latents() -> np.ndarray:
            middle = centres[rng.integers(50, size=count)]
            found: np.ndarray = middle + normal(rng, count, 32, scale=0.5)
            return found

        z = latents()
        image = np.tanh(z @ picture) + normal(rng, count, 128, scale=0.2)
        told = np.where(rng.random((count, 1)) < self.mismatched, latents(), z)
        ids = np.empty((count, 12), np.int64)
        for start in range(0, count, 2000):
            share = np.exp(told[start : start + 2000] @ words.T / 0.3)
            below = np.cumsum(share / share.sum(1, keepdims=True), axis=1)
            draws = rng.random((len(share), 12, 1), np.float32)
            ids[start : start + 2000] = (draws > below[:, None, :-1]).sum(-1)
        wrong = (rng.random((count, 1)) < self.garbled) & (np.arange(12) % 2 == 0)
        ids = np.where(wrong, rng.integers(500, size=ids.shape), ids)
        text = np.zeros((count, 500), np.float32)
        np.add.at(text, (np.arange(count)[:, None], ids), np.float32(1 / 12))
        return {"image": image, "text": text}

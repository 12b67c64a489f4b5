"""Texts of a Markov chain, which knows how likely any text is: for decoding algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Count

WORDS = tuple(f"word{number}" for number in range(60))
SHARES = (0.40, 0.15, 0.12, 0.10, 0.08, 0.06, 0.05, 0.04)  # of a word's successors
RARE = 1e-4  # of every word, beside them


@dataclass(kw_only=True, eq=False, repr=False)
class MarkovText(Generated):
    """Texts of a Markov chain over 60 words.

    Each word has 8 different successors, drawn once, with the shares .40 .15 .12 .10 .08 .06 .05
    .04; every word has 1e-4 more, and then the shares sum to 1. The first word is any, all alike.
    `text` is `length` words. Likely texts go in circles, so that decoding has to choose between
    what is likely and what is varied. After Su and Xu 2023 (arXiv 2210.14140).

    Args:
      split: 'train' (4,000 rows), 'validation' (200) or 'test' (200).
      examples: number of rows, if another.
      length: words of a text.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    length: Count = 72

    name = "markov_text"
    splits: ClassVar = {"train": 4000, "validation": 200, "test": 200}
    modalities = ("text",)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        self.chain = chain(world)
        numbers = np.empty((count, self.length), np.int64)
        numbers[:, 0] = rng.integers(len(WORDS), size=count)
        sums = np.cumsum(self.chain, axis=1)
        for place in range(1, self.length):
            drawn = rng.random(count)[:, None]
            following = (sums[numbers[:, place - 1]] < drawn).sum(1)
            numbers[:, place] = np.minimum(following, len(WORDS) - 1)
        return {"text": [" ".join(WORDS[k] for k in own) for own in numbers]}

    def log_likelihood(self, words: Sequence[str]) -> np.ndarray:
        """Log probability f64[n] of each word of a text, given those before it.

        Raises:
          ValueError: for a word that the chain does not have.
        """
        known = {word: number for number, word in enumerate(WORDS)}
        if unknown := [word for word in words if word not in known]:
            raise ValueError(f"markov_text: {unknown[0]!r} is none of its words")
        numbers = np.array([known[word] for word in words], np.int64)
        found = np.full(len(words), -np.log(len(WORDS)))
        found[1:] = np.log(self.chain[numbers[:-1], numbers[1:]])
        return found


def chain(rng: np.random.Generator) -> np.ndarray:
    """Probability f64[60, 60] of each word (column) behind each word (row)."""
    found = np.full((len(WORDS), len(WORDS)), RARE)
    for row in found:
        row[rng.permutation(len(WORDS))[: len(SHARES)]] += SHARES
    rows: np.ndarray = found / found.sum(1, keepdims=True)
    return rows

"""Images that are mixtures of words: for maps from images into a table of word vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds, Count, NonNegative


@dataclass(kw_only=True, eq=False, repr=False)
class WordMixtures(Generated):
    """Images with some words each, and the vocabulary of these words.

    `vocabulary` word vectors E ~ N(0, I_dim), standardized per dimension. M = Q diag(s), Q random
    orthogonal and s log-uniform in [0.2, 5]: far from orthogonal. An image has `words` different
    words, and is M mean(E_w) + noise N(0, I) + o, o one vector of length `gap` (the modality gap).

    `image` is that f32[dim], `text` the list of the vectors of its words, and the label `words`
    their numbers. The records of the split 'vocabulary' are the words themselves: `text`, and the
    label `word`.

    Args:
      split: 'train' (5,000 rows), 'validation' or 'test' (500 each), or 'vocabulary' (all words).
      examples: number of rows, if another.
      vocabulary: number of words.
      words: of an image.
      dim: of images and words.
      noise: of images.
      gap: length of o.
      seed: of everything.
    """

    split: Literal["train", "validation", "test", "vocabulary"] = "train"
    vocabulary: Annotated[int, Bounds(ge=2, le=2**24)] = 2000
    words: Count = 5
    dim: Count = 64
    noise: NonNegative = 0.2
    gap: NonNegative = 3.0

    name = "word_mixtures"
    splits: ClassVar = {"train": 5000, "validation": 500, "test": 500, "vocabulary": 2000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.words > self.vocabulary:
            raise ValueError(
                f"word_mixtures: words={self.words} is more than vocabulary={self.vocabulary}"
            )
        table = normal(world, self.vocabulary, self.dim)
        table = (table - table.mean(0)) / table.std(0)
        turn = np.linalg.qr(normal(world, self.dim, self.dim))[0]
        scales = np.exp(world.uniform(np.log(0.2), np.log(5), self.dim)).astype(np.float32)
        offset = normal(world, self.dim)
        offset *= np.float32(self.gap) / np.linalg.norm(offset)
        if self.split == "vocabulary":
            every = np.arange(self.vocabulary)
            lacking = [None] * len(every)
            return {"image": lacking, "text": list(table), "word": every, "words": lacking}
        chosen = [rng.choice(self.vocabulary, self.words, replace=False) for _ in range(count)]
        mean = np.stack([table[own].mean(0) for own in chosen])
        images = (mean * scales) @ turn.T + np.float32(self.noise) * normal(rng, count, self.dim)
        return {
            "image": images + offset,
            "text": [list(table[own]) for own in chosen],
            "word": [None] * count,
            "words": [own.tolist() for own in chosen],
        }

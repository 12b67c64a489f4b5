"""Images of bags of words of unequal frequency, and the vocabulary with its frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit

WORDS, CLUSTERS = 200, 20


@dataclass(kw_only=True, eq=False, repr=False)
class WordBags(Generated):
    """Four words of 200 in an image, and the mean of their vectors as its text.

    The words' vectors, unit in R^64, are in 20 clusters of 10, unit(centre + 0.5 N(0, I)); the word
    of rank r is drawn with a probability in proportion to 1 / r, four different ones for a row, and
    ranks are shuffled over the clusters. `text` = mean of their vectors, f32[64]; `image` =
    tanh(0.5 b + 0.2 N(0, I)) in R^256, b the sum of the words' own unit codes in R^128 times a
    matrix of N(0, 1). The label `words` has their numbers.

    The records of the split 'vocabulary' are the words: `text`, the label `word`, and `count`, one
    more than how often it occurs in the 5,000 rows of 'train'.

    Args:
      split: 'train' (5,000 rows), 'test' (1,000), or 'vocabulary' (200).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test", "vocabulary"] = "train"

    name = "word_bags"
    splits: ClassVar = {"train": 5000, "test": 1000, "vocabulary": WORDS}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        centres = np.repeat(normal(world, CLUSTERS, 64), WORDS // CLUSTERS, axis=0)
        vectors = unit(centres + normal(world, WORDS, 64, scale=0.5))
        codes, seen_by = unit(normal(world, WORDS, 128)), normal(world, 128, 256)
        share = 1 / (world.permutation(WORDS) + 1)

        def drawn(count: int, rng: np.random.Generator) -> np.ndarray:
            # Without replacement by weights: the largest of log p + Gumbel noise.
            keys = np.log(share) + rng.gumbel(size=(count, WORDS))
            return np.argsort(-keys, axis=1)[:, :4]

        if self.split == "vocabulary":
            train = drawn(self.splits["train"], np.random.default_rng([self.seed, 0]))
            lacking, every = [None] * count, np.arange(WORDS)[:count]
            counts = np.bincount(train.reshape(-1), minlength=WORDS)[every] + 1
            return {
                "image": lacking, "text": list(vectors[every]), "word": every,
                "count": counts, "words": lacking,
            }  # fmt: skip
        chosen = drawn(count, rng)
        bag = codes[chosen].sum(1) @ seen_by
        return {
            "image": np.tanh(np.float32(0.5) * bag + normal(rng, count, 256, scale=0.2)),
            "text": vectors[chosen].mean(1),
            "word": [None] * count,
            "count": [None] * count,
            "words": chosen.tolist(),
        }

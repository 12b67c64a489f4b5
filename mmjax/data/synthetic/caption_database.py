"""Images, a database of captions, and the vocabulary of their words, as embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit

DIM = 64
CLUSTERS, SYNONYMS = 500, 10  # of words
CLASSES, REAL, COMMON = 100, 600, 40


@dataclass(kw_only=True, eq=False, repr=False)
class CaptionDatabase(Generated):
    """Embeddings of images, of captions with other concepts and common words, and of words.

    5,000 words in 500 clusters of near-synonyms: E_w = unit(c + 0.6 e) in R^64. 600 of them are
    what the world shows, 100 of these the classes, and 40 further ones common words. The embeddings
    are

        image of a class: unit(unit(E + 0.8 u) + g + 0.11 e), u a random unit vector and g one
          vector of length 0.8, the modality gap;
        caption: unit(E_main + 0.35 (E_a + E_b + E_c) / 2 + 0.05 e), of one of the 600, and of
          three common words with probabilities 1 / rank; a further word is any.

    The split 'test' has `image` and the label `word`; 'captions' has `text` and `words`, the five
    words of each; 'vocabulary' has `text` and `word`, every word.

    Args:
      split: 'test' (1,000 images), 'captions' (40,000) or 'vocabulary' (all words).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["test", "captions", "vocabulary"] = "test"

    name = "caption_database"
    splits: ClassVar = {"test": 1000, "captions": 40_000, "vocabulary": CLUSTERS * SYNONYMS}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        size = CLUSTERS * SYNONYMS
        centres = np.repeat(normal(world, CLUSTERS, DIM), SYNONYMS, axis=0)
        table = unit(centres + normal(world, size, DIM, scale=0.6))
        chosen = world.permutation(size)
        real, common = chosen[:REAL], chosen[REAL : REAL + COMMON]
        gap = 0.8 * unit(normal(world, DIM))
        if self.split == "vocabulary":
            every = np.arange(size)
            lacking = [None] * size
            return {"image": lacking, "text": list(table), "word": every, "words": lacking}
        lacking = [None] * count
        if self.split == "test":
            label = real[rng.integers(CLASSES, size=count)]
            seen = unit(table[label] + 0.8 * unit(normal(rng, count, DIM)))
            image = unit(seen + gap + normal(rng, count, DIM, scale=0.11))
            return {"image": image, "text": lacking, "word": label, "words": lacking}
        main = real[rng.integers(REAL, size=count)]
        zipf = 1 / np.arange(1, COMMON + 1)
        around = rng.choice(common, (count, 3), p=zipf / zipf.sum())
        text = table[main] + 0.35 / 2 * table[around].sum(1)
        text = unit(text + normal(rng, count, DIM, scale=0.05))
        words = np.column_stack([main, around, rng.integers(size, size=count)])
        return {"image": lacking, "text": text, "word": lacking, "words": words.tolist()}

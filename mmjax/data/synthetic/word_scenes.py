"""Patches that show words, and captions that name some of them: for codes that are words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

WORDS = tuple(f"word{number}" for number in range(200))


@dataclass(kw_only=True, eq=False, repr=False)
class WordScenes(Generated):
    """Four words in eight patches of a scene, and a caption of three of them.

    The word of rank r is drawn with a probability in proportion to 1 / (r + 3), four different ones
    for a scene. `image`, f32[8, 64] = tanh(x A), A 48 x 64 of N(0, 1/49): four patches x are a
    word's code of N(0, I_48) and 0.4 N(0, I), four are N(0, I), in random order. `text` names three
    of the words, in random order; the label `words` lists all four.

    Args:
      split: 'train' (4,000 rows) or 'test' (1,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "word_scenes"
    splits: ClassVar = {"train": 4000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes, seen_by = normal(world, len(WORDS), 48), normal(world, 48, 64, scale=1 / 7)
        share = 1 / (np.arange(len(WORDS)) + 3)
        # Without replacement by weights: the largest of log p + Gumbel noise.
        keys = np.log(share) + rng.gumbel(size=(count, len(WORDS)))
        chosen = np.argsort(-keys, axis=1)[:, :4]
        patches = normal(rng, count, 8, 48)
        patches[:, :4] = codes[chosen] + np.float32(0.4) * patches[:, :4]
        order = np.argsort(rng.random((count, 8)), axis=1)
        patches = np.take_along_axis(patches, order[:, :, None], axis=1)
        said = rng.permuted(chosen, axis=1)[:, :3]
        return {
            "image": np.tanh(patches @ seen_by),
            "text": [" ".join(WORDS[number] for number in own) for own in said],
            "words": [[WORDS[number] for number in own] for own in chosen],
        }

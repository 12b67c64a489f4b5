"""Synthetic images of two glyphs of ten: small images with as many classes as there are pairs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated

GLYPHS = ("anchor", "bridge", "candle", "dagger", "engine", "feather", "goblet", "hammer",
          "island", "jacket")  # fmt: skip
FILLERS = tuple(f"word{i}" for i in range(20))
WORDS = (*GLYPHS, *FILLERS)
PAIRS = tuple(itertools.combinations(range(len(GLYPHS)), 2))
SIDE, GLYPH = 32, 8
_PLACES = ((4, 4), (4, 20), (20, 4), (20, 20))  # upper left corners


@dataclass(kw_only=True, eq=False, repr=False)
class GlyphPairs(Generated):
    """Two glyphs of ten at two of four places, and a caption that names both.

    A glyph is a random pattern of 8 x 8 pixels, on or off, in a colour of its own. `image`,
    uint8[32, 32, 3], has two different ones at two of four places, each shifted by up to 2 pixels
    along each axis, on a grey of 0.2 with noise of standard deviation 0.05. `text` names both, in
    any order, and 2 of 20 words without a meaning. The label `pair` is the names of both glyphs,
    one of 45 classes.

    Args:
      split: 'train' (2,000 rows), 'validation' or 'test' (600 each).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "glyph_pairs"
    splits: ClassVar = {"train": 2000, "validation": 600, "test": 600}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        patterns = world.integers(2, size=(len(GLYPHS), GLYPH, GLYPH, 1)).astype(np.float32)
        inks = patterns * world.uniform(0.4, 1.0, size=(len(GLYPHS), 1, 1, 3)).astype(np.float32)
        pairs = np.array(PAIRS)[rng.integers(len(PAIRS), size=count)]
        places = rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1)[:, :2]
        corners = np.array(_PLACES)[places] + rng.integers(-2, 3, size=(count, 2, 2))
        images = np.full((count, SIDE, SIDE, 3), 0.2, np.float32)
        for image, pair, own in zip(images, pairs, corners, strict=True):
            for glyph, (top, left) in zip(pair, own, strict=True):
                spot = image[top : top + GLYPH, left : left + GLYPH]
                spot[...] = np.where(patterns[glyph] > 0, inks[glyph], spot)
        images += 0.05 * rng.standard_normal(images.shape, np.float32)
        said = rng.permuted(pairs, axis=1)
        fillers = rng.integers(len(FILLERS), size=(count, 2))
        return {
            "image": np.clip(np.rint(255 * images), 0, 255).astype(np.uint8),
            "text": [
                " ".join([*(GLYPHS[i] for i in two), *(FILLERS[i] for i in more)])
                for two, more in zip(said, fillers, strict=True)
            ],
            "pair": [f"{GLYPHS[a]} {GLYPHS[b]}" for a, b in pairs],
        }

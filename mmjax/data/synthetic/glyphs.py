"""Synthetic images of two objects, one of which the caption names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated

COLOURS = ("red", "green", "blue", "yellow", "purple", "cyan")
_RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)
SHAPES = ("arch", "bell", "crown", "drum", "easel", "flag", "gate", "harp", "iron", "jug")
FILLERS = tuple(f"word{i}" for i in range(20))
WORDS = (*COLOURS, *SHAPES, *FILLERS)
GLYPHS = 8
SIDE = 16
_DRAWS = 8


@dataclass(kw_only=True, eq=False, repr=False)
class GlyphScenes(Generated):
    """A coloured shape that the caption names, and a grey glyph that it does not.

    10 shapes are random 7x7 patterns of on and off, 8 glyphs random 5x5 ones. `image`, uint8[16,
    16, 3], has a shape in one of 6 colours at the upper left and a glyph of intensity 0.6 at the
    lower right, each shifted by 0 or 1 pixels along each axis, times a brightness in [0.7, 1.3],
    plus noise of standard deviation 0.15. In the split 'train' a record's `image` is a list
    of 8 draws of all that, of which the views `image` and `image@2` take one each at every visit:
    two images of one thing, and in an eighth of the visits the same image. `text` is the colour,
    the shape and 3 of 20 words without a meaning, in this order. Labels: `name` (colour and shape,
    the words of an ideal caption), `colour`, `shape` and `glyph`.

    Args:
      split: 'train' (3,000 rows) or 'test' (1,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "glyph_scenes"
    splits: ClassVar = {"train": 3000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        patterns = world.integers(2, size=(len(SHAPES), 7, 7)).astype(np.float32)
        glyphs = world.integers(2, size=(GLYPHS, 5, 5)).astype(np.float32)
        shape = rng.integers(len(SHAPES), size=count)
        colour = rng.integers(len(COLOURS), size=count)
        glyph = rng.integers(GLYPHS, size=count)
        inks = patterns[shape][..., None] * _RGB[colour][:, None, None]
        greys = np.repeat(0.6 * glyphs[glyph][..., None], 3, axis=-1)
        draws = [_drawn(rng, inks, greys) for _ in range(_DRAWS if self.split == "train" else 1)]
        names = [f"{COLOURS[c]} {SHAPES[s]}" for c, s in zip(colour, shape, strict=True)]
        fillers = rng.integers(len(FILLERS), size=(count, 3))
        images = list(map(list, zip(*draws, strict=True))) if self.split == "train" else draws[0]
        return {
            "image": images,
            "text": [
                " ".join([name, *(FILLERS[i] for i in own)])
                for name, own in zip(names, fillers, strict=True)
            ],
            "name": names,
            "colour": colour,
            "shape": shape,
            "glyph": glyph,
        }


def _drawn(rng: np.random.Generator, inks: np.ndarray, greys: np.ndarray) -> np.ndarray:
    """One image of every row, uint8[N, 16, 16, 3]."""
    count = len(inks)
    images = np.zeros((count, SIDE, SIDE, 3), np.float32)
    shifts = rng.integers(2, size=(count, 2, 2))
    for image, ink, grey, ((a, b), (c, d)) in zip(images, inks, greys, shifts, strict=True):
        image[a : a + 7, b : b + 7] = ink
        image[SIDE - 6 + c : SIDE - 1 + c, SIDE - 6 + d : SIDE - 1 + d] = grey
    images *= rng.uniform(0.7, 1.3, size=(count, 1, 1, 1)).astype(np.float32)
    images += 0.15 * rng.standard_normal(images.shape, np.float32)
    return np.clip(np.rint(255 * images), 0, 255).astype(np.uint8)

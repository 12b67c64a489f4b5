"""Images of coloured shapes with captions of six slots: the class, and modifiers around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Fraction

COLOURS = ("red", "green", "blue", "yellow", "purple", "cyan", "white", "orange")
_RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1],
                 [1, 0.5, 0]], np.float32)  # fmt: skip
SHAPES = ("arch", "bell", "crown", "drum", "easel", "flag", "gate", "harp")
EMPTY = "plain"
MODIFIERS = tuple(f"modifier{i}" for i in range(20))
WORDS = (*COLOURS, *SHAPES, EMPTY, *MODIFIERS)
TEMPLATE = "* * {} * *"
SLOTS, SIDE, _SHAPE = 4, 16, 9


@dataclass(kw_only=True, eq=False, repr=False)
class SlotCaptions(Generated):
    """A shape of 8 in a colour of 8, and a caption that names both among four slots for modifiers.

    A shape is a random pattern of 9 x 9 pixels, on or off. `image`, f32[768], is 16 x 16 pixels of
    3 colours: the shape in its colour near the middle, shifted by up to 2 pixels along each axis,
    on black, with noise of standard deviation 0.15. `text` has six words: two slots, colour and
    shape, and two slots; a slot holds one of 20 modifiers or `plain`, which says that it is empty.
    In the split 'train' half of the captions have one modifier, which with probability `tied` is
    that of the class, number class mod 20, a spurious link as real captions have them; the others
    have none. A share `varied` of them, and all captions of other splits, have 0 to 4 different
    ones. The label `name` is colour and shape, one of 64 classes.

    Args:
      split: 'train' (20,000 rows), 'validation' or 'test' (2,000 each).
      examples: number of rows, if another.
      tied: how often the only modifier is that of the class.
      varied: share of training captions with many modifiers.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    tied: Fraction = 0.6
    varied: Fraction = 0.0

    name = "slot_captions"
    splits: ClassVar = {"train": 20_000, "validation": 2000, "test": 2000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        patterns = world.integers(2, size=(len(SHAPES), _SHAPE, _SHAPE, 1)).astype(np.float32)
        colour, shape = (
            rng.integers(len(COLOURS), size=count),
            rng.integers(len(SHAPES), size=count),
        )
        images = 0.15 * rng.standard_normal((count, SIDE, SIDE, 3), np.float32)
        corners = 3 + rng.integers(-2, 3, size=(count, 2))
        for image, c, s, (top, left) in zip(images, colour, shape, corners, strict=True):
            image[top : top + _SHAPE, left : left + _SHAPE] += patterns[s] * _RGB[c]
        names = [f"{COLOURS[c]} {SHAPES[s]}" for c, s in zip(colour, shape, strict=True)]
        share = self.varied if self.split == "train" else 1.0
        own = (colour * len(SHAPES) + shape) % len(MODIFIERS)
        captions = []
        for name, tied, many in zip(names, own, rng.random(count) < share, strict=True):
            words = [EMPTY] * SLOTS
            number = rng.integers(SLOTS + 1) if many else rng.integers(2)
            said = rng.choice(len(MODIFIERS), number, replace=False)
            if not many and rng.random() < self.tied:
                said[:] = tied
            for place, modifier in zip(rng.permutation(SLOTS), said, strict=False):
                words[place] = MODIFIERS[modifier]
            captions.append(" ".join([*words[:2], name, *words[2:]]))
        return {"image": images.reshape(count, -1), "text": captions, "name": names}

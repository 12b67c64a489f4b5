"""Scenes of objects of two textured parts, whose classes are pairs of parts: masks and aspects."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated

COLOURS = ("red", "green", "blue", "yellow", "purple", "cyan")
TEXTURES = ("flat", "rows", "columns", "checker", "dots", "diagonal")
WORDS = tuple(f"{colour}-{texture}" for colour, texture in product(COLOURS, TEXTURES))
SIDE, GRID = 32, (8, 8)
BASE, CLASSES, SHOWN = 20, 30, 3
_RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)


@dataclass(kw_only=True, eq=False, repr=False)
class PartScenes(Generated):
    """Three objects in different quadrants, each with an upper and a lower part.

    A part is one of 6 colours in one of 6 textures; an object is two different parts, in a box of
    12 to 16 pixels along each side. `image`, u8[32, 32, 3], has them on noisy grey, each times a
    brightness in [0.8, 1.2], plus noise of 0.08. `text` names the parts of the three objects, the
    upper one first. A class is an ordered pair of parts; there are 20 base and 10 novel classes.

    Rows of 'train' have objects of random parts. Those of 'base', 'seen' (base classes, too) and
    'novel' have an object of their class, the label `class`, and two others that share no part with
    it: every other row is a `support` (1), of which again every other one shows a single part of
    the object. `mask`, f32[64], is the share of the 8 x 8 cells that the object, or that part,
    covers. 'names' has a row for each class with `text` alone, as two alternatives: its parts.
    After the setting of multi-modal prototypes (arXiv 2307.02003).

    Args:
      split: 'train' (3,000 rows), 'base' (800), 'seen' (400), 'novel' (400) or 'names' (30).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "base", "seen", "novel", "names"] = "train"

    name = "part_scenes"
    splits: ClassVar = {"train": 3000, "base": 800, "seen": 400, "novel": 400, "names": CLASSES}

    def __post_init__(self) -> None:
        self.modalities = ("text",) if self.split == "names" else ("image", "text")
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        pairs = [pair for pair in product(range(len(WORDS)), repeat=2) if pair[0] != pair[1]]
        chosen = np.array(pairs)[world.permutation(len(pairs))[:CLASSES]]
        names = ["/".join(WORDS[part] for part in pair) for pair in chosen]
        if self.split == "names":
            numbers = np.arange(count) % CLASSES
            texts = [[WORDS[part] for part in chosen[number]] for number in numbers]
            return {"text": texts, "class": [names[number] for number in numbers]}
        parts = np.argsort(rng.random((count, len(WORDS))), axis=1)[:, : 2 * SHOWN]
        parts = parts.reshape(count, SHOWN, 2)
        if self.split == "train":
            images, _ = self._scenes(rng, parts, np.zeros(count, int))
            return {"image": images, "text": _named(parts)}
        group = np.arange(BASE, CLASSES) if self.split == "novel" else np.arange(BASE)
        of_row = np.repeat(group, -(-count // len(group)))[:count]
        for row, number in enumerate(of_row):
            others = np.setdiff1d(np.arange(len(WORDS)), chosen[number])
            parts[row] = rng.permutation(others)[: 2 * SHOWN].reshape(SHOWN, 2)
            parts[row, 0] = chosen[number]
        place = np.arange(count)
        only = np.where(place % 4 == 0, rng.integers(1, 3, size=count), 0)
        images, masks = self._scenes(rng, parts, only)
        return {
            "image": images,
            "text": _named(parts),
            "class": [names[number] for number in of_row],
            "mask": masks,
            "support": (place % 2 == 0).astype(int),
        }

    def _scenes(
        self, rng: np.random.Generator, parts: np.ndarray, only: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels u8[N, 32, 32, 3] of parts i[N, 3, 2], and masks f32[N, 64] of first objects.

        Args:
          rng: of places, brightness and noise.
          parts: upper and lower of each object.
          only: 1 or 2 where the first object shows its upper or its lower part alone; 0 for both.
        """
        count, half = len(parts), SIDE // 2
        images = np.full((count, SIDE, SIDE, 3), 0.5, np.float32)
        masks = np.zeros((count, SIDE, SIDE), np.float32)
        for row in range(count):
            quadrants = rng.permutation(4)[:SHOWN]
            for k, (own, quadrant) in enumerate(zip(parts[row], quadrants, strict=True)):
                height, width = rng.integers(12, half + 1, size=2)
                top, left = half * np.array(divmod(int(quadrant), 2)) + rng.integers(
                    0, half - np.array([height, width]) + 1
                )
                middle, brightness = top + height // 2, rng.uniform(0.8, 1.2)
                ends = ((top, middle), (middle, top + height))
                for which, (part, (start, end)) in enumerate(zip(own, ends, strict=True)):
                    if k == 0 and only[row] == 2 - which:
                        continue
                    place = (row, slice(start, end), slice(left, left + width))
                    images[place] = brightness * _texture(int(part), end - start, int(width))
                    if k == 0:
                        masks[place] = 1
        images += 0.08 * rng.standard_normal(images.shape, np.float32)
        cells = masks.reshape(count, GRID[0], SIDE // GRID[0], GRID[1], SIDE // GRID[1])
        pixels = np.rint(255 * images.clip(0, 1)).astype(np.uint8)
        return pixels, cells.mean((2, 4)).reshape(count, -1)


def _named(parts: np.ndarray) -> list[str]:
    return [" ".join(WORDS[part] for part in own.reshape(-1)) for own in parts]


def _texture(part: int, height: int, width: int) -> np.ndarray:
    """f32[height, width, 3]: a part's colour, and a third of it where its texture is dark."""
    colour, texture = divmod(part, len(TEXTURES))
    y, x = np.indices((height, width))
    bright = (
        np.ones((height, width), bool),
        y % 4 < 2,
        x % 4 < 2,
        (y // 2 + x // 2) % 2 == 0,
        (y % 3 > 0) | (x % 3 > 0),
        (y + x) % 4 < 2,
    )[texture]
    shade = np.where(bright, 1.0, 1 / 3).astype(np.float32)
    textured: np.ndarray = shade[..., None] * _RGB[colour]
    return textured

"""Images with and without a handwritten digit: two data sets that share one factor."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.synthetic.digits import digits
from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Fraction

SIDE, CLASSES = 16, 10


@dataclass(kw_only=True, eq=False, repr=False)
class TexturedDigits(Generated):
    """Textures, and textures with a digit on them: what all images share, and what some have.

    `image`, uint8[16, 16], is half of a `common` picture plus noise of standard deviation 0.05; a
    share of the images, those of the *target* set, have half of an 8 x 8 handwritten digit (of
    `digits`) in the middle besides. The common picture is of one of 10 classes: a sinusoidal
    grating with one of 5 orientations and 2 frequencies and any phase; or one of 10 emoji, grey, in
    one of its styles, shifted by up to 2 pixels. After Louiset et al. 2024 (SepCLR, arXiv
    2402.11928), who put MNIST digits on CIFAR-10.

    Labels: `texture`, the class of the common picture; `target`, 1 with a digit and 0 without; and
    `digit`, which only target images have.

    Args:
      split: 'train' (4,000 images), 'validation' or 'test' (1,000 each); every second digit is
        for training, and those between take turns.
      examples: number of images, if another.
      share: of target images.
      common: what all images have: 'texture', a grating, or 'emoji'.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    share: Fraction = 0.5
    common: Literal["texture", "emoji"] = "texture"

    name = "textured_digits"
    splits: ClassVar = {"train": 4000, "validation": 1000, "test": 1000}
    modalities = ("image",)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        texture = rng.integers(CLASSES, size=count)
        target = rng.permutation(count) < round(self.share * count)
        drawn, labels = digits()
        rows = np.arange(len(drawn))
        rows = rows[::2] if self.split == "train" else rows[1 + 2 * (self.split == "test") :: 4]
        chosen = rng.choice(rows, size=count)
        pictures = (
            _gratings(texture, rng) if self.common == "texture" else _emoji(texture, world, rng)
        )
        images = 0.5 * pictures + 0.05 * rng.normal(size=pictures.shape)
        images[:, 4:12, 4:12] += 0.5 * target[:, None, None] * (drawn[chosen] / 16)
        return {
            "image": np.rint(255 * images.clip(0, 1)).astype(np.uint8),
            "texture": texture.astype(np.int64),
            "target": target.astype(np.int64),
            "digit": [
                int(labels[i]) if with_digit else None
                for i, with_digit in zip(chosen, target, strict=True)
            ],
        }


def _gratings(texture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """f64[N, 16, 16] in [0, 1]: sinusoids of the classes' orientation and frequency."""
    angle = np.pi * (texture // 2)[:, None, None] / 5
    frequency = 2 * np.pi * np.array([0.22, 0.38])[texture % 2][:, None, None]
    phase = rng.uniform(0, 2 * np.pi, size=len(texture))[:, None, None]
    y, x = np.mgrid[:SIDE, :SIDE]
    wave: np.ndarray = np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    return 0.5 + 0.5 * wave


def _emoji(texture: np.ndarray, world: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """f64[N, 16, 16] in [0, 1]: the classes' emoji in any of its styles, a little shifted."""
    source = EmojiSource(split="train")
    known = [i for i in range(len(source)) if len(source[i]["image"]) > 1]
    concepts = world.choice(known, size=CLASSES, replace=False)
    styles = [[grey(content) for content in source[int(i)]["image"]] for i in concepts]
    found = np.empty((len(texture), SIDE, SIDE))
    for row, kind in enumerate(texture):
        picture = styles[kind][rng.integers(len(styles[kind]))]
        found[row] = np.roll(picture, rng.integers(-2, 3, size=2), axis=(0, 1))
    return found


def grey(content: bytes) -> np.ndarray:
    """An encoded picture on black as f64[16, 16] in [0, 1]."""
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    grey = (
        Image.alpha_composite(black, picture)
        .convert("L")
        .resize((SIDE, SIDE), Image.Resampling.BOX)
    )
    return np.asarray(grey, np.float64) / 255

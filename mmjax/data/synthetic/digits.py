"""Handwritten digits with synthetic captions: real images that a small network learns in seconds.

1,797 images of 8 x 8 pixels with values 0 to 16, of the data set Optical Recognition of
Handwritten Digits by Alpaydin and Kaynak 1998 (CC BY 4.0, see `assets/digits/NOTICE`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import RepeatsOrZero

ASSET = Path(__file__).resolve().parents[1] / "assets" / "digits" / "digits.npz"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMERALS = tuple("0123456789")
TEMPLATES = ("a photo of a {}", "the digit {}", "a picture of the number {}")
# Words that say nothing about the digit: those of templates, and fillers.
STOP_WORDS = ("a", "the", "of", "photo", "picture", "digit", "number")
FILLERS = tuple(f"word{i}" for i in range(20))
WORDS = (*NAMES, *NUMERALS, *STOP_WORDS, *FILLERS)
SYNONYMS = {
    **{name: (numeral,) for name, numeral in zip(NAMES, NUMERALS, strict=True)},
    **{numeral: (name,) for name, numeral in zip(NAMES, NUMERALS, strict=True)},
}
_TEST, _VALIDATION = 700, 397


@dataclass(kw_only=True, eq=False, repr=False)
class DigitsSource(Generated):
    """Images of digits with captions such as "the digit 7 word3 word0 word19 word3 word8".

    A caption is one of `TEMPLATES` with the digit's name or numeral, and `fillers` of 20 words that
    mean nothing behind it; it is drawn once for each image. `image` is uint8[8, 8] with white 16;
    labels are `label`, the digit, and `name`, in words.

    Args:
      split: 'train', 'test' (700 images, the same for every number of training images) or
        'validation' (397, with `validation=True`).
      examples: number of rows; of 'train' at most 1,097, which is what it has if left out.
      fillers: words without a meaning at the end of a caption.
      validation: whether 397 images, the same ones for every seed, are in neither 'train', which
        then has 700, nor 'test': to choose settings on, where other seeds are judged.
      seed: of the split and of the captions.
    """

    split: Literal["train", "test", "validation"] = "train"
    fillers: RepeatsOrZero = 5
    validation: bool = False

    name = "digits"
    splits: ClassVar = {"train": 1797 - _TEST, "test": _TEST, "validation": _VALIDATION}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        images, labels = digits()
        if self.split == "validation" and not self.validation:
            raise ValueError("digits: the split 'validation' needs validation=True")
        order = np.random.default_rng([self.seed, 0]).permutation(len(images))
        if self.validation:
            kept = np.random.default_rng(_VALIDATION).permutation(len(images))[:_VALIDATION]
            order = order[~np.isin(order, kept)]
            rows = {"train": order[_TEST:], "test": order[:_TEST], "validation": kept}[self.split]
        else:
            rows = order[:_TEST] if self.split == "test" else order[_TEST:]
        if self.examples is None:
            count = len(rows)
        if count > len(rows):
            raise ValueError(
                f"digits: examples={count} must be at most the {len(rows)} of the split "
                f"{self.split!r}"
            )
        rows = rows[:count]
        if self.fillers < 0:
            raise ValueError(f"digits: fillers={self.fillers} must be at least 0")
        rng = np.random.default_rng([self.seed, 1 + self.stream])
        captions = []
        for digit in labels[rows]:
            word = (NAMES, NUMERALS)[rng.integers(2)][digit]
            said = TEMPLATES[rng.integers(len(TEMPLATES))].format(word)
            rest = (FILLERS[i] for i in rng.integers(len(FILLERS), size=self.fillers))
            captions.append(" ".join([said, *rest]))
        return {
            "image": images[rows],
            "text": captions,
            "label": labels[rows].astype(np.int64),
            "name": [NAMES[digit] for digit in labels[rows]],
        }


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All images uint8[1797, 8, 8], and what they show, uint8[1797]."""
    with np.load(ASSET) as held:
        return held["images"], held["labels"]

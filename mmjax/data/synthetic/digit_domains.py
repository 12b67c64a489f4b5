"""Handwritten digits as a model was pretrained on, and in another domain of which it sees a few."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.synthetic.digits import NAMES, NUMERALS, TEMPLATES, digits
from mmjax.data.synthetic.generated import Generated
from mmjax.data.synthetic.textured_digits import grey
from mmjax.schema.bounds import Fraction, NonNegative

BASE, NOVEL = tuple(range(5)), tuple(range(5, 10))
SHOTS, VALIDATION, TEST = 8, 297, 500
WORDS = (*NAMES, *NUMERALS, *dict.fromkeys(" ".join(TEMPLATES).replace("{}", "").split()))


@dataclass(kw_only=True, eq=False, repr=False)
class DigitDomains(Generated):
    """Real digits (of `digits`), plain ones to pretrain on and others before a background.

    `image` is f32[8, 8] with black 0 and white 1. In the split 'pretrain' it is a digit x as it is,
    of any class; in the others |x - background b| + noise e, with b one of the windows of 8 x 8
    pixels of a grey emoji and e ~ N(0, 1) for each pixel: as in MNIST-M (Ganin and Lempitsky 2015,
    arXiv 1409.7495), which blends digits with photos. `text` says the digit in one of three
    templates, by name or numeral; in the other domain it is the same for all of a class, "the digit
    seven". The seed draws which digits are base classes, of which 'train' has 8 images each, and
    which are novel: `label`, and the `id` in the other domain, is 0 to 4 for base classes and 5 to
    9 for novel ones; `name` is the digit in words.

    Args:
      split: 'pretrain' (960 images), 'train' (40), 'test' (500) or 'validation' (297, the same ones
        for every seed, which are in no other split: to choose settings on).
      examples: number of rows, if fewer; of 'train' as equally many of each class as can be.
      background: its share b.
      noise: its standard deviation e.
      seed: of the splits, of the classes and of what is drawn.

    Raises:
      ValueError: for more rows than a split has.
    """

    split: Literal["pretrain", "train", "test", "validation"] = "pretrain"
    background: Fraction = 0.4
    noise: NonNegative = 0.1

    name = "digit_domains"
    splits: ClassVar = {
        "pretrain": 1797 - VALIDATION - TEST - SHOTS * len(BASE),
        "train": SHOTS * len(BASE),
        "test": TEST,
        "validation": VALIDATION,
    }
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if count > self.splits[self.split]:
            raise ValueError(
                f"digit_domains: examples={count} must be at most the {self.splits[self.split]} of "
                f"the split {self.split!r}"
            )
        images, shown = digits()
        number = world.permutation(len(NAMES))  # of each digit's class
        rows = _rows(number[shown], world)[self.split][:count]
        label, x = number[shown[rows]], images[rows].astype(np.float32) / 16
        if self.split == "pretrain":
            said = [
                TEMPLATES[rng.integers(len(TEMPLATES))].format((NAMES, NUMERALS)[way][digit])
                for digit, way in zip(shown[rows], rng.integers(2, size=count), strict=True)
            ]
        else:
            said = [TEMPLATES[1].format(NAMES[digit]) for digit in shown[rows]]
            x = np.abs(x - np.float32(self.background) * _backgrounds(count, rng))
            x += rng.standard_normal(x.shape, np.float32) * np.float32(self.noise)
        return {
            "image": x,
            "text": said,
            "label": label.astype(np.int64),
            "name": [NAMES[digit] for digit in shown[rows]],
            "id": np.arange(count) if self.split == "pretrain" else label.astype(np.int64),
        }


def _rows(label: np.ndarray, world: np.random.Generator) -> dict[str, np.ndarray]:
    """The images of every split; those of 'train' class by class in turn."""
    kept = np.random.default_rng(VALIDATION).permutation(len(label))[:VALIDATION]
    order = world.permutation(np.setdiff1d(np.arange(len(label)), kept))
    test, rest = order[:TEST], order[TEST:]
    shots = np.stack([rest[label[rest] == base][:SHOTS] for base in BASE], axis=1).ravel()
    return {
        "pretrain": rest[~np.isin(rest, shots)],
        "train": shots,
        "test": test,
        "validation": kept,
    }


def _backgrounds(count: int, rng: np.random.Generator) -> np.ndarray:
    """f32[N, 8, 8] in [0, 1]: windows of the middle of grey emoji."""
    pictures = _emoji()
    which = rng.integers(len(pictures), size=count)
    corners = rng.integers(2, 7, size=(count, 2))
    return np.stack([
        pictures[n, top : top + 8, left : left + 8]
        for n, (top, left) in zip(which, corners, strict=True)
    ])  # fmt: skip


@functools.cache
def _emoji() -> np.ndarray:
    """f32[N, 16, 16]: some emoji, in the first of their styles."""
    source = EmojiSource(split="train")
    rows = np.random.default_rng(0).choice(len(source), size=200, replace=False)
    return np.stack([grey(source[int(row)]["image"][0]) for row in rows]).astype(np.float32)

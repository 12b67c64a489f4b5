"""Objects with captions, and instructions that change one attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

ATTRIBUTES = {
    "colour": ("red", "green", "blue", "yellow", "purple", "black"),
    "shape": ("circle", "square", "triangle", "cross", "ring", "star"),
    "size": ("tiny", "small", "middling", "large", "huge", "endless"),
    "surface": ("smooth", "striped", "dotted", "rough", "shiny", "woven"),
}
VALUES, DIM, DISTRACTORS = 6, 32, 4
OBJECTS = VALUES ** len(ATTRIBUTES)
WORDS = (*ATTRIBUTES, *(word for words in ATTRIBUTES.values() for word in words))


@dataclass(kw_only=True, eq=False, repr=False)
class EditedObjects(Generated):
    """Images of objects as tokens, and edits that name an attribute and its new value.

    An object has one of 6 values in each of 4 attributes. Its image, f32[8, 32], has a token for
    each: a code of N(0, I), of the value, with noise of N(0, 0.7^2); and 4 that say nothing, of
    N(0, 1.2^2), all in random order. `text` is its caption, "red ring small dotted", `edit` an
    instruction, "colour blue", and `target` the caption of the edited object; `other` is that of
    any object. Labels: `object` and `answer` are the numbers of the object and of the edited one.
    After composed image retrieval, as in Zhong et al. 2024 (arXiv 2412.05756, InstructCIR).

    Args:
      split: 'train' (20,000 rows), 'validation', 'test' (500 each), or 'gallery', one row of each
        of the 1,296 objects, whose `answer` is the object itself.
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test", "gallery"] = "train"

    name = "edited_objects"
    splits: ClassVar = {"train": 20_000, "validation": 500, "test": 500, "gallery": OBJECTS}
    modalities = ("image", "text", "edit", "target", "other")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = normal(world, len(ATTRIBUTES), VALUES, DIM)
        number = rng.integers(OBJECTS, size=count)
        if self.split == "gallery":
            number = np.arange(count) % OBJECTS
        values, others = _values(number), _values(rng.integers(OBJECTS, size=count))
        which, rows = rng.integers(len(ATTRIBUTES), size=count), np.arange(count)
        changed = values.copy()
        changed[rows, which] = (values[rows, which] + rng.integers(1, VALUES, size=count)) % VALUES

        real = codes[np.arange(len(ATTRIBUTES)), values]
        real = real + normal(rng, *real.shape, scale=0.7)
        both = np.concatenate([real, normal(rng, count, DISTRACTORS, DIM, scale=1.2)], axis=1)
        image = rng.permuted(np.arange(both.shape[1])[None].repeat(count, 0), axis=1)
        names = tuple(ATTRIBUTES)
        return {
            "image": np.take_along_axis(both, image[:, :, None], axis=1),
            "text": _captions(values),
            "edit": [
                f"{names[a]} {ATTRIBUTES[names[a]][new]}"
                for a, new in zip(which, changed[rows, which], strict=True)
            ],
            "target": _captions(changed),
            "other": _captions(others),
            "object": number,
            "answer": number if self.split == "gallery" else _number(changed),
        }


def _values(number: np.ndarray) -> np.ndarray:
    """i64[N, 4], the values of objects i64[N]."""
    return np.stack(np.unravel_index(number, (VALUES,) * len(ATTRIBUTES)), axis=1)


def _number(values: np.ndarray) -> np.ndarray:
    """The other way round."""
    return np.asarray(np.ravel_multi_index(tuple(values.T), (VALUES,) * len(ATTRIBUTES)))


def _captions(values: np.ndarray) -> list[str]:
    words = tuple(ATTRIBUTES.values())
    return [" ".join(own[value] for own, value in zip(words, row, strict=True)) for row in values]

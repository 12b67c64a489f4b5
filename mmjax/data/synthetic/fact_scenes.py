"""Scenes of three facts, as features of an image and as texts in other words and another order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

FACTS, VALUES = 3, {"colour": 12, "shape": 12, "place": 6}
IMAGE, LENGTH = 128, FACTS * len(VALUES)
# Both words of a value stand side by side.
WORDS = tuple(f"{kind}{value}{way}" for kind, n in VALUES.items() for value in range(n)
              for way in "ab")  # fmt: skip
_CODE, _HIDDEN, _NOISE = 64, 256, 0.05
_SIZES = tuple(VALUES.values())
_FIRST = np.cumsum((0, *_SIZES[:-1]))  # the first value of each kind among all 30


@dataclass(kw_only=True, eq=False, repr=False)
class FactScenes(Generated):
    """One row is a scene of three facts, each one of 12 colours, 12 shapes and 6 places.

    A text has nine words: the facts in random order, colour, shape and place of each by one of two
    words. `text` and `text_paraphrase` say the scene, `text_changed` one in which a value of one
    fact is another. `image`, f32[128], is 2 tanh(f M) M' + N(0, 0.05²) of f = Σ tanh(sum of the
    three values' codes) over the facts, with codes f[64] of N(0, 1), M f[64, 256] of N(0, 1/64) and
    M' f[256, 128] of N(0, 1/256). `facts`, f32[30], counts how many facts have each value.

    Args:
      split: 'train' (20,000 rows), 'validation' (500) or 'test' (500).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "fact_scenes"
    splits: ClassVar = {"train": 20_000, "validation": 500, "test": 500}
    modalities = ("image", "text", "text_paraphrase", "text_changed")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = normal(world, sum(_SIZES), _CODE)
        first = normal(world, _CODE, _HIDDEN, scale=1 / 8)
        second = normal(world, _HIDDEN, IMAGE, scale=1 / 16)
        # i[N, facts, kinds], numbers among all 30 values.
        scenes = _FIRST + rng.integers(_SIZES, size=(count, FACTS, len(VALUES)))
        f = np.tanh(codes[scenes].sum(2)).sum(1)
        image = 2 * np.tanh(f @ first) @ second
        return {
            "image": image + normal(rng, count, IMAGE, scale=_NOISE),
            "text": said(scenes, rng),
            "text_paraphrase": said(scenes, rng),
            "text_changed": said(changed(scenes, rng), rng),
            "facts": np.eye(sum(_SIZES), dtype=np.float32)[scenes].sum((1, 2)),
        }


def said(scenes: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Texts of scenes i[N, facts, kinds]."""
    order = rng.random(scenes.shape[:2]).argsort(1)
    ordered = np.take_along_axis(scenes, order[:, :, None], axis=1).reshape(len(scenes), -1)
    words = np.array(WORDS)[2 * ordered + rng.integers(2, size=ordered.shape)]
    return [" ".join(row) for row in words]


def changed(scenes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scenes i[N, facts, kinds] in which one value of one fact is another of its kind."""
    rows, fact = np.arange(len(scenes)), rng.integers(FACTS, size=len(scenes))
    kind = rng.integers(len(VALUES), size=len(scenes))
    size, found = np.array(_SIZES)[kind], scenes.copy()
    value = scenes[rows, fact, kind] - _FIRST[kind]
    found[rows, fact, kind] = _FIRST[kind] + (value + rng.integers(1, size)) % size
    return found

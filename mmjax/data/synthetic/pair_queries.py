"""Queries for an attribute of an object, in scenes where a bag of words does not answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import NonNegative

KINDS, PAIRS = 8, 3  # of attributes, and of objects; in a scene
WORDS, DIM = 2 * KINDS, 48


@dataclass(kw_only=True, eq=False, repr=False)
class PairQueries(Generated):
    """Scenes of three bound pairs, and queries that ask for an attribute of an object.

    A scene binds 3 of 8 attributes to 3 of 8 objects, all different. With its bag w, R^16, 1 for
    every attribute and object, and its binding m, R^64, 1 for every pair of both, `image` is
    tanh([w, `binding` m] W + 0.1 e) in R^48, W of N(0, 1/9) and e ~ N(0, I).

    `text`, R^16, is in 'train' a caption of the whole scene: each of its six words with probability
    0.6, of 1/3 each, plus 0.02 everywhere; that says nothing of the binding, as captions of the web
    seldom do. In the other splits it is a query, 1 for one attribute and one object, which is
    relevant to a scene where these two are bound.

    Splits: 'train'; 'labelled', pairs of a scene and a query with the label `relevant`, half of
    them 1, a quarter 0 with attribute and object of the scene, bound to others, and a quarter with
    any query (labelled by the rule); 'validation' and 'test', scenes with a query that is relevant,
    whose number is the label `pair`; and 'index', scenes alone, whose label `pair` is a list of
    three.

    Args:
      split: 'train' (6,000 rows), 'labelled' (20,000), 'validation', 'test' (300 each) or 'index'
        (2,000).
      examples: number of rows, if another.
      binding: how clearly an image shows what belongs together.
      seed: of everything.
    """

    split: Literal["train", "labelled", "validation", "test", "index"] = "train"
    binding: NonNegative = 0.7

    name = "pair_queries"
    splits: ClassVar = {
        "train": 6000, "labelled": 20_000, "validation": 300, "test": 300, "index": 2000,
    }  # fmt: skip

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        weights = normal(world, WORDS + KINDS**2, DIM, scale=1 / 3)
        attributes, objects = (
            rng.permuted(np.tile(np.arange(KINDS), (count, 1)), axis=1)[:, :PAIRS] for _ in range(2)
        )
        rows = np.arange(count)[:, None]
        bag, bound = np.zeros((count, WORDS), np.float32), np.zeros((count, KINDS**2), np.float32)
        bag[rows, attributes] = bag[rows, KINDS + objects] = 1
        bound[rows, KINDS * attributes + objects] = 1
        seen = np.concatenate([bag, np.float32(self.binding) * bound], axis=1) @ weights
        image = np.tanh(seen + normal(rng, count, DIM, scale=0.1))
        if self.split == "index":
            self.modalities = ("image",)
            return {"image": image, "pair": (KINDS * attributes + objects).tolist()}
        self.modalities = ("image", "text")
        if self.split == "train":
            said = bag * (rng.random(bag.shape) < 0.6) / 3 + 0.02
            return {"image": image, "text": said.astype(np.float32)}
        place = rng.integers(PAIRS, size=count)
        if self.split != "labelled":
            asked = np.stack([of[rows[:, 0], place] for of in (attributes, objects)], axis=1)
            return {"image": image, "text": _two_hot(asked), "pair": asked @ (KINDS, 1)}
        other = (place + rng.integers(1, PAIRS, size=count)) % PAIRS
        kind = rng.choice(3, size=count, p=(0.5, 0.25, 0.25))
        asked = np.stack(
            [attributes[rows[:, 0], place], objects[rows[:, 0], np.where(kind == 1, other, place)]],
            axis=1,
        )
        asked = np.where(kind[:, None] == 2, rng.integers(KINDS, size=(count, 2)), asked)
        relevant = bound[rows[:, 0], asked @ (KINDS, 1)]
        return {"image": image, "text": _two_hot(asked), "relevant": relevant.astype(np.int64)}


def _two_hot(asked: np.ndarray) -> np.ndarray:
    """f32[N, 16] of attributes and objects i64[N, 2]."""
    found = np.zeros((len(asked), WORDS), np.float32)
    found[np.arange(len(asked))[:, None], asked + np.array([0, KINDS])] = 1
    return found

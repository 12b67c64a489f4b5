"""Scenes of attributes bound to objects, and the same scenes with the attributes exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds, NonNegative

KINDS = 8  # of attributes, and of objects
SEEN = ("image", "text")


@dataclass(kw_only=True, eq=False, repr=False)
class BoundPairs(Generated):
    """Two modalities that show which things there are clearly, and which belong together weakly.

    A scene is K pairs of an attribute and an object, all K attributes different and all K objects,
    of 8 each: "a red cup, a blue ball". Its bag w, R^16, has a 1 for every attribute and object,
    its binding m, R^64, one for every pair of both. `image` = tanh([w, b m] W_i + 0.05 e) and
    `text` = tanh([w, b m] W_t + 0.05 e), R^64, with W of N(0, 1/16), b = `binding` and e ~ N(0, I).
    What a bag of words cannot tell is `image_swapped` and `text_swapped`: the same scene with its
    attributes moved on by one object, so the same bag. With `siblings='rows'` these are rows of
    their own instead, each after its scene.

    Ids are the numbers of scenes, so retrieval takes every image of a scene as right;
    `swapped` is the number of the exchanged one.

    Args:
      split: 'train' (6,000 scenes), 'validation' or 'test' (1,000 each).
      examples: number of scenes, if another.
      pairs: K.
      binding: b.
      siblings: whether exchanged scenes are further fields of a row or rows.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    pairs: Annotated[int, Bounds(ge=2, le=4)] = 2
    binding: NonNegative = 0.2
    siblings: Literal["fields", "rows"] = "fields"

    name = "bound_pairs"
    splits: ClassVar = {"train": 6000, "validation": 1000, "test": 1000}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        weights = {name: normal(world, 80, 64, scale=0.25) for name in SEEN}
        attributes, objects = (
            rng.permuted(np.tile(np.arange(KINDS), (count, 1)), axis=1)[:, : self.pairs]
            for _ in range(2)
        )
        scenes = _cells(attributes, objects), _cells(np.roll(attributes, 1, axis=1), objects)
        seen = [
            {name: self._seen(cells, w, rng) for name, w in weights.items()} for cells in scenes
        ]
        ids = [_number(cells, self.pairs) for cells in scenes]
        self.id_limit = (KINDS * KINDS) ** self.pairs
        self.modalities = SEEN
        if self.siblings == "rows":
            fields = {
                name: np.stack([part[name] for part in seen], axis=1).reshape(2 * count, -1)
                for name in weights
            }
            both = np.stack(ids, axis=1)
            return {**fields, "id": both.ravel(), "swapped": both[:, ::-1].ravel()}
        swapped = {f"{name}_swapped": value for name, value in seen[1].items()}
        self.modalities = (*SEEN, *swapped)
        return {**seen[0], **swapped, "id": ids[0], "swapped": ids[1]}

    def _seen(self, cells: np.ndarray, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What a modality shows of scenes f32[N, 8, 8]: f32[N, 64]."""
        bag = np.concatenate([cells.sum(axis=2), cells.sum(axis=1)], axis=1)
        both = np.concatenate([bag, np.float32(self.binding) * cells.reshape(-1, KINDS**2)], axis=1)
        seen: np.ndarray = np.tanh(both @ w + normal(rng, len(cells), 64, scale=0.05))
        return seen


def _cells(attributes: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """f32[N, 8, 8], 1 where an attribute, i64[N, K], is bound to an object, i64[N, K]."""
    cells = np.zeros((len(attributes), KINDS, KINDS), np.float32)
    cells[np.arange(len(cells))[:, None], attributes, objects] = 1
    return cells


def _number(cells: np.ndarray, pairs: int) -> np.ndarray:
    """i64[N], the number of a scene, whatever the order of its pairs."""
    where = np.nonzero(cells.reshape(len(cells), -1))[1].reshape(-1, pairs)
    number: np.ndarray = where @ (KINDS * KINDS) ** np.arange(pairs)
    return number

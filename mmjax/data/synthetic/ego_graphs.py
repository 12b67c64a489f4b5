"""Nodes of a network with their neighbours, and texts on them, in three domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit
from mmjax.schema.bounds import Fraction, NonNegative

DIM, NODES, WORDS, LENGTH = 16, 16, 200, 80
CLASSES, KNOWN, ADAPTED = 170, 150, tuple(range(10))
UNSEEN = tuple(range(KNOWN, CLASSES))
TURNED = 5  # numbers of a node that a domain rotates


@dataclass(kw_only=True, eq=False, repr=False)
class EgoGraphs(Generated):
    """Stars of a node and its 15 neighbours, of one of 170 classes, and texts on the class.

    Class c has μ_c ~ N(0, I_16). A node of it has the numbers μ_c + 0.8 e, of which a domain turns
    5 by a rotation of its own. A neighbour is of the first node's class with the probability
    `alike`, else of any; the first node's own numbers are all 0 with the probability `hidden`.

    `graph` is that, with the categories 1 of the first node and 0 of others; `text` f32[16] is the
    vector of a text of 80 words of softmax(μ_c W), W f[16, 200] of N(0, 1.5² / 16): the unit vector
    of (shares of the words - 1/200) W^T, plus `cone` times a vector o of length 1 that all texts
    have, made a unit vector. So texts lie in a cone, as those of a trained encoder. `label` and
    `id` are the class.

    The split 'pretrain' has 150 classes in two domains; all others are of the third: 'train' 10 of
    these, 'adapted' (to test) the same, and 'unseen' the 20 further classes.

    Args:
      split: 'pretrain' (8,000 rows), 'train' (8 of each class), 'adapted' or 'unseen' (40 of each).
      examples: number of rows, if another.
      alike, hidden: see above.
      cone: length of what all texts share.
      seed: of everything.
    """

    split: Literal["pretrain", "train", "adapted", "unseen"] = "pretrain"
    alike: Fraction = 0.5
    hidden: Fraction = 0.5
    cone: NonNegative = 1.0

    name = "ego_graphs"
    splits: ClassVar = {
        "pretrain": 8000,
        "train": 8 * len(ADAPTED),
        "adapted": 40 * len(ADAPTED),
        "unseen": 40 * len(UNSEEN),
    }
    modalities = ("graph", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        means = normal(world, CLASSES, DIM)
        words = normal(world, DIM, WORDS, scale=1.5 * DIM**-0.5)
        offset = normal(world, DIM)
        turns = [_turn(world) for _ in range(3)]
        if self.split == "pretrain":
            y, domain = rng.integers(KNOWN, size=count), rng.integers(2, size=count)
        else:
            classes = np.array(UNSEEN if self.split == "unseen" else ADAPTED)
            y, domain = classes[np.arange(count) % len(classes)], np.full(count, 2)
        other = rng.integers(CLASSES, size=(count, NODES))
        of_node = np.where(rng.random((count, NODES)) < self.alike, y[:, None], other)
        of_node[:, 0] = y
        numbers = means[of_node] + normal(rng, count, NODES, DIM, scale=0.8)
        numbers = np.einsum("bnd,bde->bne", numbers, np.stack(turns)[domain])
        numbers[rng.random(count) < self.hidden, 0] = 0
        logits = (means[y] @ words).astype(np.float64)
        chances = np.exp(logits - logits.max(1, keepdims=True))
        bags = rng.multinomial(LENGTH, chances / chances.sum(1, keepdims=True)) / LENGTH
        texts = unit(unit((bags - 1 / WORDS) @ words.T) + self.cone * unit(offset[None]))
        return {
            "graph": [_star(own) for own in numbers],
            "text": texts.astype(np.float32),
            "label": y.astype(np.int64),
            "id": y.astype(np.int64),
        }


def _star(numbers: np.ndarray) -> dict[str, Any]:
    """A node with edges to and from all others, as the view `graph` takes it."""
    others = range(1, len(numbers))
    edges = [[0, node, 1] for node in others] + [[node, 0, 1] for node in others]
    kinds = [[1]] + [[0]] * len(others)
    return {"nodes": kinds, "features": numbers.tolist(), "edges": edges}


def _turn(world: np.random.Generator) -> np.ndarray:
    """A rotation of some of the numbers."""
    chosen = world.choice(DIM, TURNED, replace=False)
    turn = np.eye(DIM, dtype=np.float32)
    turn[np.ix_(chosen, chosen)] = np.linalg.qr(normal(world, TURNED, TURNED))[0]
    return turn

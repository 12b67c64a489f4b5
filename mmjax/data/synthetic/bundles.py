"""Bundles of a catalogue's items: for recommendation, and for embeddings of sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit
from mmjax.schema.bounds import Fraction

ITEMS, STYLES, LATENT, COLD = 600, 30, 8, 200
PARTS = {"image": 32, "text": 32, "feedback": 64}
DIM = sum(PARTS.values()) + 1  # and behind them 1 + the item's number


@dataclass(kw_only=True, eq=False, repr=False)
class Bundles(Generated):
    """Bundles of 7 to 11 items of 600, most of them of two styles of 30.

    Item i has the style i mod 30, Z in R^8, and z = Z + 0.5 e. Its image is tanh(z W1) + 0.3 e and
    its text tanh(z W2) + 0.3 e, f[32]; the feedback of its users is z W3 + 0.5 e, f[64], and
    30 % of the items have none. Each is a unit vector; W ~ N(0, 1/4), Z and e ~ N(0, I). A bundle
    is 6 to 10 items of two styles, and one of any. 200 items are cold: in 'train' they are only
    those of any.

    `items` f32[k, 129] is what a bundle is told by, each item as its parts, zero where it has none,
    and 1 + its number; `members` are their numbers. Of the bundle all items are told in 'train'. In
    the other splits three of its styles are told, and `wanted` are the other ones; `wanted_cold`
    the cold ones of these. The split 'catalogue' has every item by itself; `item` is its number.

    Args:
      split: 'train' (1,500 bundles), 'validation' (300), 'test' (300) or 'catalogue' (600 items).
      examples: number of rows, if another.
      dropped: the share of image and text together, of feedback and of numbers that items lack.
      seed: of everything.
    """

    split: Literal["train", "validation", "test", "catalogue"] = "train"
    dropped: Fraction = 0.0

    name = "bundles"
    modalities = ("items",)
    splits: ClassVar = {"train": 1500, "validation": 300, "test": 300, "catalogue": ITEMS}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        style = np.arange(ITEMS) % STYLES
        z = normal(world, STYLES, LATENT)[style] + 0.5 * normal(world, ITEMS, LATENT)
        seen = {name: z @ normal(world, LATENT, dim, scale=0.5) for name, dim in PARTS.items()}
        parts = {
            name: unit(np.tanh(x) + 0.3 * normal(world, *x.shape))
            if name != "feedback"
            else unit(x + 0.5 * normal(world, *x.shape))
            for name, x in seen.items()
        }
        parts["feedback"][world.random(ITEMS) < 0.3] = 0
        cold = np.zeros(ITEMS, bool)
        cold[world.choice(ITEMS, COLD, replace=False)] = True
        number = 1 + np.arange(ITEMS, dtype=np.float32)
        # Of what is known of an item, so that a bundle and the catalogue lack the same.
        lacks = world.random((ITEMS, 3)) < self.dropped
        for name, column in (("image", 0), ("text", 0), ("feedback", 1)):
            parts[name][lacks[:, column]] = 0
        number[lacks[:, 2]] = 0
        table = np.concatenate([*parts.values(), number[:, None]], axis=1)
        if self.split == "catalogue":
            rows = np.arange(count) % ITEMS
            return {"items": list(table[rows, None]), "item": rows, "id": rows}
        drawn = [self._bundle(rng, style, cold) for _ in range(count)]
        told = [own if self.split == "train" else own[:3] for own in drawn]
        wanted = [own[3:-1] for own in drawn]
        columns = {"items": [table[own] for own in told], "members": told}
        if self.split != "train":
            columns |= {"wanted": wanted, "wanted_cold": [own[cold[own]] for own in wanted]}
        return columns

    def _bundle(self, rng: np.random.Generator, style: np.ndarray, cold: np.ndarray) -> np.ndarray:
        """Numbers of a bundle's items in a random order, that of any style last."""
        chosen = np.isin(style, rng.choice(STYLES, 2, replace=False))
        if self.split == "train":
            chosen &= ~cold
        own = rng.permutation(np.flatnonzero(chosen))[: rng.integers(6, 11)]
        return np.append(own, rng.choice(np.setdiff1d(np.arange(ITEMS), own)))

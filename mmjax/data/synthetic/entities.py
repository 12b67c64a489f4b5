"""Entities and mentions of them, each with a text and an image: for entity linking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Fraction, NonNegative

MENTION, ENTRY = ("text", "image"), ("entity_text", "entity_image")
LATENT, DIM, CLUSTERS, HALF = 16, 32, 100, 1000  # HALF: trained entities, and as many new ones


@dataclass(kw_only=True, eq=False, repr=False)
class Entities(Generated):
    """Mentions of 2,000 entities, some without an image, and what a knowledge base says of them.

    An entity is u = c + 0.35 e in R^16, c one of 100 centres of N(0, I), so that it has near
    duplicates. For each of `text` and `image` there are matrices A and B, 32 x 16, of N(0, 1/16):
    its mentions are A u + `noise` e and its entry is B u + 0.1 e, e ~ N(0, I), the same in all
    splits (`entity_text`, `entity_image`). A share of the mentions has no image.

    Two rows after each other are two mentions of an entity, whose number is their id. The split
    'gallery' has one row for each of all entities, with their entries alone.

    Args:
      split: 'train' (2,000 mentions of the first 1,000 entities), 'test' (2,000 of the others) or
        'gallery' (2,000 entities).
      examples: number of rows, if another.
      noise: standard deviation of a mention's noise.
      lacks: the share of mentions without an image.
      seed: of everything.
    """

    split: Literal["train", "test", "gallery"] = "train"
    noise: NonNegative = 0.3
    lacks: Fraction = 0.3

    name = "entities"
    splits: ClassVar = {"train": 2 * HALF, "test": 2 * HALF, "gallery": 2 * HALF}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        centres = normal(world, CLUSTERS, LATENT)
        own = world.integers(CLUSTERS, size=2 * HALF)
        u = centres[own] + normal(world, 2 * HALF, LATENT, scale=0.35)
        maps = {m: normal(world, LATENT, DIM, scale=0.25) for m in (*MENTION, *ENTRY)}
        entries = {m: u @ maps[m] + normal(world, 2 * HALF, DIM, scale=0.1) for m in ENTRY}
        self.id_limit = 2 * HALF
        if self.split == "gallery":
            self.modalities = ENTRY
            ids = np.arange(count) % (2 * HALF)
            return {**{m: value[ids] for m, value in entries.items()}, "id": ids}
        ids = np.arange(count) // 2 % HALF + (HALF if self.split == "test" else 0)
        mentions: dict[str, Any] = {
            m: u[ids] @ maps[m] + np.float32(self.noise) * normal(rng, count, DIM) for m in MENTION
        }
        self.modalities = (*MENTION, *ENTRY)
        lacking = rng.random(count) < self.lacks
        mentions["image"] = [
            None if gone else image for image, gone in zip(mentions["image"], lacking, strict=True)
        ]
        return {**mentions, **{m: value[ids] for m, value in entries.items()}, "id": ids}

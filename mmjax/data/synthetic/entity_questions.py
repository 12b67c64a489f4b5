"""Entity pages of an image and a text, and queries of an image and a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import NonNegative

LATENT, CATEGORIES, ATTRIBUTES, VALUES = 32, 60, 8, 6
IMAGE, WORDS = 48, CATEGORIES + ATTRIBUTES * VALUES
GALLERY = 500


@dataclass(kw_only=True, eq=False, repr=False)
class EntityQuestions(Generated):
    """Pages of entities, each an image and a text, and queries that show an entity and ask of it.

    An entity is u = centre + 0.7 e in R^32, of one of 60 centres of N(0, I), its category; each of
    8 attributes has the value of 6 that is largest in a linear map of u. Its page: `image`, R^48, A
    u + 0.5 e with A of N(0, 1/32); and `text`, R^108, 1 for the category and for the value of every
    attribute, each with probability 0.75. Its query: `query_image`, A u + `noise` e, and
    `question`, R^108: the category, or the values of some attributes, as a question has that does
    not name what it is about.

    Splits: 'train' (5,000 entities), 'rerank' (4,000 others), and 500 more that are the 'gallery',
    one row each, and of which 'tuning' (2,000 rows) and 'test' (1,000) ask. All rows have pages and
    queries; ids are of entities.

    Args:
      split: which rows.
      examples: number of rows, if another.
      noise: of the queries' images.
      attributes: that a question asks for, of those that do not say the category.
      categories: the share of questions that say the category.
      seed: of everything.
    """

    split: Literal["train", "rerank", "gallery", "tuning", "test"] = "train"
    noise: NonNegative = 0.7
    attributes: Literal[1, 2] = 1
    categories: NonNegative = 0.8

    name = "entity_questions"
    splits: ClassVar = {
        "train": 5000, "rerank": 4000, "gallery": GALLERY, "tuning": 2000, "test": 1000,
    }  # fmt: skip
    modalities = ("image", "text", "query_image", "question")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        centres = normal(world, CATEGORIES, LATENT)
        maps = normal(world, ATTRIBUTES, VALUES, LATENT)
        seen = normal(world, LATENT, IMAGE, scale=LATENT**-0.5)
        shared = self.split in ("gallery", "tuning", "test")
        if shared:  # entities and their pages are those of the world
            category = world.integers(CATEGORIES, size=GALLERY)
            u = centres[category] + normal(world, GALLERY, LATENT, scale=0.7)
            pages = _page(category, u, maps, seen, world)
            ids = (
                np.arange(count) % GALLERY
                if self.split == "gallery"
                else rng.integers(GALLERY, size=count)
            )
            category, u, pages = category[ids], u[ids], [part[ids] for part in pages]
        else:
            category = rng.integers(CATEGORIES, size=count)
            u = centres[category] + normal(rng, count, LATENT, scale=0.7)
            pages, ids = _page(category, u, maps, seen, rng), GALLERY + np.arange(count)
        question = np.zeros((count, WORDS), np.float32)
        words = _words(category, u, maps)
        chosen = rng.permuted(np.tile(np.arange(ATTRIBUTES), (count, 1)), axis=1)
        rows = np.arange(count)
        for place in range(self.attributes):
            question[rows, words[rows, 1 + chosen[:, place]]] = 1
        by_category = rng.random(count) < self.categories
        question[by_category] = 0
        question[rows[by_category], category[by_category]] = 1
        return {
            "image": pages[0],
            "text": pages[1],
            "query_image": u @ seen + np.float32(self.noise) * normal(rng, count, IMAGE),
            "question": question,
            "id": ids,
        }


def _words(category: np.ndarray, u: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """i64[N, 9], the word of the category and those of the attributes."""
    values = np.einsum("nd,avd->nav", u, maps).argmax(2)
    own = CATEGORIES + VALUES * np.arange(ATTRIBUTES) + values
    return np.concatenate([category[:, None], own], axis=1)


def _page(
    category: np.ndarray,
    u: np.ndarray,
    maps: np.ndarray,
    seen: np.ndarray,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Images f32[N, 48] and texts f32[N, 108]."""
    words = _words(category, u, maps)
    text = np.zeros((len(u), WORDS), np.float32)
    text[np.arange(len(u))[:, None], words] = rng.random(words.shape) < 0.75
    return [u @ seen + normal(rng, len(u), IMAGE, scale=0.5), text]

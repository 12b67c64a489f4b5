"""Scenes of three objects on a grid, and captions that name them among words without a meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

NOUNS, CATEGORIES, FUNCTION, SIDE, SHOWN, ATTRIBUTES, DIM = 40, 4, 5, 4, 3, 8, 32
CELLS, LENGTH = SIDE**2, 2 * SHOWN
WORDS = (*(f"noun{n}" for n in range(NOUNS)), *(f"function{n}" for n in range(FUNCTION)))


@dataclass(kw_only=True, eq=False, repr=False)
class GridObjects(Generated):
    """Three different objects of 40 in cells of their own of a 4 x 4 grid.

    A noun of category c, one of 4, has attributes a, f32[8], of N(m_c, 0.64 I) with m_c of
    N(0, 1.44 I); in its cell of `image`, f32[16, 32], stands W a, with W of N(0, 1/8), and in all
    cells noise of 0.5 N(0, I). `text` has the three nouns and 3 of 5 function words in random
    order. Which nouns stand together does not depend on a, so texts alone say nothing of
    categories. Rows of 'test' also have `phrase`, the first object's noun, and `region`, u8[16],
    its cell. 'words' has a row for each noun: it as `text`, and the labels `category` and
    `attributes`. After Zhang et al. 2021 (arXiv 2111.07180, VG-BERT).

    Args:
      split: 'train' (5,000 rows), 'test' (300) or 'words' (40).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test", "words"] = "train"

    name = "grid_objects"
    splits: ClassVar = {"train": 5000, "test": 300, "words": NOUNS}

    def __post_init__(self) -> None:
        further = {"words": ("text",), "test": ("image", "text", "phrase")}
        self.modalities = further.get(self.split, ("image", "text"))
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        category = np.arange(NOUNS) % CATEGORIES
        means = normal(world, CATEGORIES, ATTRIBUTES, scale=1.2)
        attributes = means[category] + normal(world, NOUNS, ATTRIBUTES, scale=0.8)
        looks = attributes @ normal(world, ATTRIBUTES, DIM, scale=ATTRIBUTES**-0.5)
        if self.split == "words":
            nouns = np.arange(count) % NOUNS
            texts = [WORDS[noun] for noun in nouns]
            return {"text": texts, "category": category[nouns], "attributes": attributes[nouns]}
        shown = np.argsort(rng.random((count, NOUNS)), axis=1)[:, :SHOWN]
        places = np.argsort(rng.random((count, CELLS)), axis=1)[:, :SHOWN]
        image = 0.5 * normal(rng, count, CELLS, DIM)
        image[np.arange(count)[:, None], places] += looks[shown]
        fillers = NOUNS + np.argsort(rng.random((count, FUNCTION)), axis=1)[:, :SHOWN]
        words = rng.permuted(np.concatenate([shown, fillers], axis=1), axis=1)
        fields = {"image": image, "text": [" ".join(WORDS[w] for w in own) for own in words]}
        if self.split == "train":
            return fields
        region = (np.arange(CELLS) == places[:, :1]).astype(np.uint8)
        return {**fields, "phrase": [WORDS[noun] for noun in shown[:, 0]], "region": region}

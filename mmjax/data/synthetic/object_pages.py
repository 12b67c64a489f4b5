"""Pages with objects at places, features of these objects, and captions that omit most of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

SIDE, OBJECTS, TYPES, GROUNDS, CODE = 4, 5, 40, 6, 24
PATCHES, CAPTION, OBJECT = SIDE**2, 2 * CODE, CODE + 4


@dataclass(kw_only=True, eq=False, repr=False)
class ObjectPages(Generated):
    """Five objects of 40 types on a page of 4 x 4 patches.

    `image`, f32[16, 24]: twice the code of the page's ground, one of 6, plus noise of 0.5 in all
    patches, and 0.8 times the code of its type where an object lies, each in a patch of its own;
    types may repeat. `objects`, f32[5, 28], is what another encoder knows of each: a vector of the
    type's text, and four sines of its place. `caption`, f32[48], says little: 3 times the ground's
    text vector, and half of that of the first object. Codes and vectors are N(0, I_24).

    Labels: `boxes`, f32[5, 4], (left, top, width, height) of each object as shares of the page;
    `types`, a list of those on the page; `type` and `region`, u8[16], those of the last object,
    which the caption does not name. After Li et al. 2024 (arXiv 2402.19014, DoCo).

    Args:
      split: 'train' (4,000 rows), 'fit' (1,000, for probes) or 'test' (500).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "fit", "test"] = "train"

    name = "object_pages"
    splits: ClassVar = {"train": 4000, "fit": 1000, "test": 500}
    modalities = ("image", "objects", "caption")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        looks, grounds = normal(world, TYPES, CODE), normal(world, GROUNDS, CODE)
        texts, said = normal(world, TYPES, CODE), normal(world, GROUNDS, CODE)
        ground = rng.integers(GROUNDS, size=count)
        types = rng.integers(TYPES, size=(count, OBJECTS))
        places = np.argsort(rng.random((count, PATCHES)), axis=1)[:, :OBJECTS]
        image = 2 * grounds[ground][:, None] + 0.5 * normal(rng, count, PATCHES, CODE)
        image[np.arange(count)[:, None], places] += 0.8 * looks[types]
        row, column = np.divmod(places, SIDE)
        angles = np.stack([row, column], axis=-1) * np.pi / SIDE
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
        first = 0.5 * texts[types[:, 0]]
        boxes = np.stack([column, row, np.ones_like(row), np.ones_like(row)], axis=-1) / SIDE
        return {
            "image": image,
            "objects": np.concatenate([texts[types], waves], axis=2).astype(np.float32),
            "caption": np.concatenate([3 * said[ground], first], axis=1),
            "boxes": boxes.astype(np.float32),
            "types": [[f"type{number}" for number in own] for own in types],
            "type": types[:, -1],
            "region": (np.arange(PATCHES) == places[:, -1:]).astype(np.uint8),
        }

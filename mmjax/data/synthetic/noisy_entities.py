"""Records of entities by image and text, both noisy, as record linkage has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Count

SLOTS, SYMBOLS, TILE, SIDE, BLOCK = 8, 26, (4, 8), 16, 8
LETTERS = tuple(chr(ord("a") + i) for i in range(SYMBOLS))
# split -> (the entities that are its own, records of each); `exemplars` are of the test's.
SIZES = {"train": (500, 10), "validation": (50, 10), "test": (50, 10), "exemplars": (50, 1)}


@dataclass(kw_only=True, eq=False, repr=False)
class NoisyEntities(Generated):
    """Several noisy records of each entity, whose image and text share a structure.

    An entity is 8 symbols of 26. The image, f32[256] of 16 x 16 pixels, is 4 x 2 tiles of 4 x 8:
    tile q is the template, of N(0, 1), of (q, symbol q), with noise of N(0, 2^2); and with
    probability .8 a block of 8 x 8 pixels at a random place is 0. The text is the symbols as
    letters, each replaced by any with probability .45; `symbols` f32[208] has a 1 for each place
    and letter of it, so that its cosine counts equal letters. Templates are those of all splits,
    the entities of each are others, and `exemplars` are further records of the test's. After the
    linking of firm records in Arora et al. 2023 (arXiv 2304.03464, CLIPPINGS).

    Args:
      split: 'train' (500 entities of 10 records), 'validation', 'test' (50 of 10 each) or
        'exemplars' (one record of each of the test's).
      examples: number of records, if another; a multiple of `per`.
      per: records of an entity, if another number.
      seed: of everything.
    """

    split: Literal["train", "validation", "test", "exemplars"] = "train"
    per: Count | None = None

    name = "noisy_entities"
    splits: ClassVar = {split: count * per for split, (count, per) in SIZES.items()}
    modalities = ("image", "text", "symbols")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        per = self.per or SIZES[self.split][1]
        if count % per:
            raise ValueError(f"noisy_entities: {count} records are no multiple of per={per}")
        templates = normal(world, SLOTS, SYMBOLS, *TILE)
        own = self.streams_of("test" if self.split == "exemplars" else self.split)
        entity = np.repeat(np.arange(count // per), per)
        symbols = own.integers(SYMBOLS, size=(count // per, SLOTS))[entity]

        tiles = templates[np.arange(SLOTS), symbols]  # [N, 8, 4, 8], of 4 rows of 2
        image = tiles.reshape(count, 4, 2, *TILE).swapaxes(2, 3).reshape(count, SIDE, SIDE)
        image = image + normal(rng, count, SIDE, SIDE, scale=2.0)
        top, left = rng.integers(SIDE - BLOCK + 1, size=(2, count, 1))
        at = np.arange(SIDE)
        rows, columns = ((at >= start) & (at < start + BLOCK) for start in (top, left))
        hidden = (rng.random(count) < 0.8)[:, None, None] & rows[:, :, None] & columns[:, None, :]
        image = np.where(hidden, np.float32(0), image)

        other = rng.integers(SYMBOLS, size=symbols.shape)
        read = np.where(rng.random(symbols.shape) < 0.45, other, symbols)
        return {
            "image": image.reshape(count, -1),
            "text": [" ".join(LETTERS[i] for i in row) for row in read],
            "symbols": np.eye(SYMBOLS, dtype=np.float32)[read].reshape(count, -1),
            "entity": entity,
        }

    def streams_of(self, split: str) -> np.random.Generator:
        """Random numbers that say which entities a split has."""
        return np.random.default_rng([self.seed, 2000, list(self.splits).index(split)])

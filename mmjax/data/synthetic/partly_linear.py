"""Two embedding spaces that are linearly related in some of their dimensions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds

DIM = 16


@dataclass(kw_only=True, eq=False, repr=False)
class PartlyLinear(Generated):
    """Outputs of two towers that see one latent, part of it by an even function.

    z ~ N(0, I_16); `image` = z Q + 0.2 e, `text` = z' R + 0.2 e, Q and R random orthogonal. The
    first `linear` numbers of z' are those of z, the others (|z_j| - sqrt(2 / pi)) / sqrt(1 - 2 /
    pi): of mean 0 and variance 1, and without any linear correlation with z.

    Args:
      split: 'train' (5,000 rows), 'validation' or 'test' (1,000 each).
      examples: number of rows, if another.
      linear: how many dimensions are linearly related, to 16.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    linear: Annotated[int, Bounds(ge=0, le=DIM)] = 8

    name = "partly_linear"
    splits: ClassVar = {"train": 5000, "validation": 1000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        turns = [np.linalg.qr(normal(world, DIM, DIM))[0] for _ in range(2)]
        z = normal(rng, count, DIM)
        even = (np.abs(z) - np.sqrt(2 / np.pi)) / np.sqrt(1 - 2 / np.pi)
        other = np.where(np.arange(DIM) < self.linear, z, even).astype(np.float32)
        image, text = (
            x @ turn + normal(rng, count, DIM, scale=0.2)
            for x, turn in zip((z, other), turns, strict=True)
        )
        return {"image": image, "text": text}

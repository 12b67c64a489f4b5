"""Classes with names, seen in images of tokens; and a domain where they look a little different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Fraction, NonNegative

LATENT, TOKENS, DIM, LEVELS = 10, 8, 16, 8
BEFORE = 2000  # classes to pretrain on
BASE, NOVEL = tuple(range(20)), tuple(range(20, 40))  # of the other domain
WORDS = tuple(f"{axis}{level}" for axis in "abcdefghij" for level in range(LEVELS))


@dataclass(kw_only=True, eq=False, repr=False)
class TokenClasses(Generated):
    """Classes with a latent z ~ N(0, I_10), whose names say z and whose images show it.

    `image` f[8, 16] has the tokens tanh(z A_j) + 0.5 e, the entries of A_j of N(0, 1.5² / 10).
    `text` is the class's name, a word for each number of z: which of 8 equally probable intervals
    it is in. In the split 'pretrain' classes are some of 2,000. 'train' and 'test' are another
    domain: 20 base and 20 novel classes, each of which looks like z + own d, d ~ N(0, I_10) of the
    class, where its name still says z; and tokens x are (1 - turned) x + turned x R, with one
    rotation R. `label` is the class, and so is the `id`; in the other domain 0 to 19 are base
    classes, 20 to 39 novel ones.

    Args:
      split: 'pretrain' (20,000 rows), 'train' (8 of each base class) or 'test' (40 of each class).
      examples: number of rows, if another, as equally many of each class as can be.
      own: how much of a class's looks its name does not say.
      turned: share of the rotation.
      seed: of everything.
    """

    split: Literal["pretrain", "train", "test"] = "pretrain"
    own: NonNegative = 1.0
    turned: Fraction = 0.2

    name = "token_classes"
    splits: ClassVar = {"pretrain": 20_000, "train": 8 * len(BASE), "test": 40 * len(BASE + NOVEL)}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        maps = normal(world, TOKENS, LATENT, DIM, scale=1.5 * LATENT**-0.5)
        before, after = normal(world, BEFORE, LATENT), normal(world, len(BASE + NOVEL), LATENT)
        looks = after + self.own * normal(world, *after.shape)
        rotation = np.linalg.qr(normal(world, DIM, DIM))[0]
        if self.split == "pretrain":
            named = shown = before
            y = rng.integers(BEFORE, size=count)
        else:
            named, shown = after, looks
            classes = np.array(BASE if self.split == "train" else BASE + NOVEL)
            y = classes[np.arange(count) % len(classes)]
        tokens = np.tanh(np.einsum("nl,jld->njd", shown[y], maps))
        tokens += normal(rng, *tokens.shape, scale=0.5)
        if self.split != "pretrain":
            tokens = (1 - self.turned) * tokens + self.turned * tokens @ rotation
        from scipy.special import ndtr  # slow to import, for all who use another generator

        level = np.minimum((ndtr(named) * LEVELS).astype(int), LEVELS - 1)
        names = [
            " ".join(WORDS[axis * LEVELS + own] for axis, own in enumerate(row)) for row in level
        ]
        return {
            "image": tokens.astype(np.float32),
            "text": [names[k] for k in y],
            "label": y.astype(np.int64),
            "id": y.astype(np.int64),
        }

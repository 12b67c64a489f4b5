"""Pictures and descriptions of persons, as person retrieval has them: several of each identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Count

CODE, HIDDEN, DIM = 16, 64, 64


@dataclass(kw_only=True, eq=False, repr=False)
class Identities(Generated):
    """One row is an image and a text of a person, of whom there are several rows.

    A person is a code c ~ N(0, I_16). An image is tanh(2 tanh(1.5 [c, n] A) B) + 0.1 e, f32[64],
    with n ~ N(0, I_16) of its own and e ~ N(0, I); a text is made likewise, with matrices and an n
    of its own. The matrices, of N(0, 1 / fan-in), are those of all splits; the persons of each
    split are others. `id` numbers the rows, `identity` the persons. After person retrieval by text,
    as in Jiang and Ye 2023 (arXiv 2303.12501, IRRA).

    Args:
      split: 'train' (1,200 rows, 20 of a person), 'validation' or 'test' (400 each, 4 of a person).
      examples: number of rows, if another; a multiple of `per`.
      per: rows of a person, if another number.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    per: Count | None = None

    name = "identities"
    splits: ClassVar = {"train": 1200, "validation": 400, "test": 400}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        per = self.per or (20 if self.split == "train" else 4)
        if count % per:
            raise ValueError(f"identities: {count} rows are no multiple of per={per}")
        identity = np.repeat(np.arange(count // per), per)
        code = normal(rng, count // per, CODE)[identity]
        fields: dict[str, Any] = {}
        for name in self.modalities:
            first = normal(world, 2 * CODE, HIDDEN, scale=(2 * CODE) ** -0.5)
            second = normal(world, HIDDEN, DIM, scale=HIDDEN**-0.5)
            both = np.concatenate([code, normal(rng, count, CODE)], axis=1)
            seen = np.tanh(2 * np.tanh(1.5 * both @ first) @ second)
            fields[name] = seen + normal(rng, count, DIM, scale=0.1)
        return {**fields, "identity": identity}

"""Modalities of one latent as discrete tokens, with a vector of a teacher: any to any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.formats.product_codes import ProductCodes
from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Count, CountOrZero, NonNegative

DIM, PARTS = 16, 4  # of a modality's vector; the tokens that it becomes
_FIT = 4000  # rows that the codes are made of


@dataclass(kw_only=True, eq=False, repr=False)
class TokenisedLatents(Generated):
    """Tokens `slots` i64[4 M + L / 2] of M modalities and a teacher, who sees the latent z itself.

    z ~ N(0, I_L), and modality m is y = tanh(z A_m) + noise e in R^16, A_m ~ N(0, 1 / L) and
    e ~ N(0, 1): the first `clean` ones with the first noise, the others with the second. Each is
    cut into 4 parts, and each part is the nearest of its own centres by k-means, which are numbered
    through: 4 C numbers of C codes a token. Behind them stand the teacher's tokens, one for two
    numbers of z, which is the field `teacher` f32[L]. All splits share A and the centres.

    Args:
      split: 'train' (11,000 rows), 'validation' (1,000) or 'test' (1,000).
      examples: number of rows, if another.
      latent: L, an even number.
      senses: M.
      clean: how many of them have little noise.
      noise: of those, and of the others.
      codes: of each token.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    latent: Count = 6
    senses: Count = 8
    clean: CountOrZero = 3
    noise: tuple[NonNegative, NonNegative] = (0.1, 0.4)
    codes: Count = 16

    name = "tokenised_latents"
    splits: ClassVar = {"train": 11_000, "validation": 1000, "test": 1000}
    modalities = ("slots", "teacher")

    def __post_init__(self) -> None:
        if self.latent % 2:
            raise ValueError(f"tokenised_latents: latent={self.latent} should be an even number")
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        fit, z = normal(world, _FIT, self.latent), normal(rng, count, self.latent)
        tokens = []
        for m in range(self.senses):
            noise = np.float32(self.noise[m >= self.clean])
            matrix = normal(world, self.latent, DIM, scale=self.latent**-0.5)
            known, seen = (
                np.tanh(own @ matrix) + noise * normal(draws, len(own), DIM)
                for own, draws in ((fit, world), (z, rng))
            )
            tokens.append(ProductCodes(known, PARTS, self.codes, world)(seen))
        tokens.append(ProductCodes(fit, self.latent // 2, self.codes, world)(z))
        return {"slots": np.concatenate(tokens, axis=1), "teacher": z}

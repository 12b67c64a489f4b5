"""Pairs of clean recordings and scores, and unlabelled ones as the world has them, distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds, Count

LATENT, NUISANCE, DISTORTION, DIM = 12, 16, 10, 80
Redrawn = Annotated[int, Bounds(ge=0, le=DISTORTION)]


@dataclass(kw_only=True, eq=False, repr=False)
class DomainGap(Generated):
    """One row is an `audio` and a `score`, f32[80], of a piece of music.

    Of a piece z ~ N(0, I_12) each is tanh([z, 0.4 n] W + r m D / 3), with n ~ N(0, I_16) of its
    own, m ~ N(0, I_10), a matrix W of N(0, 1/16) and one D of N(0, 1), of each modality, that all
    splits share; r is 0 for synthetic recordings and scores, and 1 for real ones, which rooms and
    scanners have distorted. `unlabelled` rows are real, audio and score of different pieces, and
    have `views` alternatives of each: augmentations, which draw n again (but for `generic` ones)
    and `redrawn` of the ten numbers of m, so that they imitate that much of the distortion. After
    audio and sheet music in Carvalho et al. 2023 (arXiv 2309.12134).

    Args:
      split: 'train' (1,500 synthetic pairs), 'unlabelled' (8,000), or 1,000 pairs each:
        'synthetic'; 'real_audio' with synthetic scores; 'real', both.
      examples: number of rows, if another.
      views: alternatives of an unlabelled item.
      redrawn: numbers of m that differ between them.
      generic: whether alternatives of an item have the same n, too, and so are equal but for
        `redrawn` numbers.
      seed: of everything.
    """

    split: Literal["train", "unlabelled", "synthetic", "real_audio", "real"] = "train"
    views: Count = 8
    redrawn: Redrawn = DISTORTION
    generic: bool = False

    name = "domain_gap"
    splits: ClassVar = {
        "train": 1500, "unlabelled": 8000, "synthetic": 1000, "real_audio": 1000, "real": 1000,
    }  # fmt: skip
    modalities = ("audio", "score")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        real = {"audio": self.split not in ("train", "synthetic"),
                "score": self.split in ("unlabelled", "real")}  # fmt: skip
        alone = self.split == "unlabelled"
        z, fields = normal(rng, count, LATENT), {}
        for name in self.modalities:
            w = normal(world, LATENT + NUISANCE, DIM, scale=0.25)
            d = normal(world, DISTORTION, DIM)
            n, m = normal(rng, count, NUISANCE), normal(rng, count, DISTORTION)
            seen = normal(rng, count, LATENT) if alone else z
            made = []
            for _ in range(self.views if alone else 1):
                if alone:
                    m[:, : self.redrawn] = normal(rng, count, self.redrawn)
                    n = n if self.generic else normal(rng, count, NUISANCE)
                x = np.concatenate([seen, np.float32(0.4) * n], axis=1) @ w
                made.append(np.tanh(x + real[name] * (m @ d) / np.float32(3)))
            fields[name] = [list(each) for each in zip(*made, strict=True)] if alone else made[0]
        return fields

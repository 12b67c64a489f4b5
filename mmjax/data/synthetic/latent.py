"""Two views of one Gaussian latent: the synthetic data of the contrastive-gap paper.

Source: Fahim et al., "It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
2024, arXiv 2405.18570; a small form of its experiment with identical inputs of both encoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Count, NonNegative


@dataclass(kw_only=True, eq=False, repr=False)
class GaussianLatentSource(Generated):
    """z ~ N(0, I), and two modalities `a` and `b` that are z, each with its own noise.

    Row i is z_i = seeded normal numbers f32[dim], a_i = z_i + noise * n_i, b_i = z_i + noise * m_i
    with n_i and m_i fixed. For noise that is drawn afresh at every visit, leave it 0 here and set
    it in the vector view, which adds noise in training only; the source of an evaluation sets it
    here. The splits of one seed are disjoint draws of one distribution.

    Args:
      split: 'train' or 'test'.
      examples: number of rows, N; by default 4,096 to train and 1,000 to test, as in the paper's
        small experiment here.
      dim: length of z.
      noise: standard deviation of the fixed noise.
      seed: of everything.

    Raises:
      ValueError: for a size below 1, a negative noise, or another split.
    """

    split: Literal["train", "test"] = "train"
    dim: Count = 32
    noise: NonNegative = 0.0

    name = "gaussian_latent"
    splits: ClassVar = {"train": 4096, "test": 1000}
    modalities = ("a", "b")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.dim < 1 or self.noise < 0:
            raise ValueError(
                f"gaussian_latent: dim={self.dim} must be at least 1 and noise={self.noise} at "
                "least 0"
            )
        latent, first, second = (
            np.random.default_rng([self.seed, self.stream, part]).standard_normal(
                (count, self.dim), np.float32
            )
            for part in range(3)
        )
        noise = np.float32(self.noise)
        return {"a": latent + noise * first, "b": latent + noise * second}

    def describe(self) -> str:
        return (
            f"gaussian_latent, {self.split}: {len(self):,} rows of dimension {self.dim}, noise "
            f"{self.noise}, seed {self.seed}"
        )

"""Two views of one Gaussian latent: the synthetic data of the contrastive-gap paper.

Source: Fahim et al., "It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
2024, arXiv 2405.18570; the small experiment with identical or noisy inputs.
"""

from __future__ import annotations

import numpy as np

from mmjax.data.sources.base import Record


class GaussianLatentSource:
    """z ~ N(0, I), and two modalities `a` and `b` that are z, each with its own noise.

    Row i is z_i = seeded normal numbers, a_i = z_i + noise * n_i, b_i = z_i + noise * m_i with n and
    m fixed for a row. For noise that is drawn afresh at every visit, leave it 0 here and set it in
    the vector view, which adds noise in training only; evaluation sources set it here.

    Args:
      examples: number of rows, N.
      dim: length of z.
      noise: standard deviation of the fixed noise.
      seed: of everything; another seed is another, independent set.
    """

    modalities = ("a", "b")
    may_lack = ()

    def __init__(self, *, examples: int = 4096, dim: int = 32, noise: float = 0.0, seed: int = 0):
        if examples < 1 or dim < 1 or noise < 0:
            raise ValueError(
                f"gaussian_latent: examples={examples} and dim={dim} must be at least 1 and "
                f"noise={noise} at least 0"
            )
        self.examples, self.dim, self.noise, self.seed = examples, dim, noise, seed
        self.id_limit = examples
        latent, first, second = (
            np.random.default_rng([seed, part]).standard_normal((examples, dim), np.float32)
            for part in range(3)
        )
        self.a = latent + np.float32(noise) * first
        self.b = latent + np.float32(noise) * second

    def __len__(self) -> int:
        return self.examples

    def __getitem__(self, index: int) -> Record:
        if not -self.examples <= index < self.examples:
            raise IndexError(index)
        index %= self.examples
        key = f"gaussian_latent(seed={self.seed}) row {index}"
        return {"id": index, "key": key, "a": self.a[index], "b": self.b[index]}

    def __reduce__(self):
        return _make, (self.examples, self.dim, self.noise, self.seed)

    def describe(self) -> str:
        return (
            f"gaussian_latent: {self.examples:,} rows of dimension {self.dim}, noise {self.noise}"
        )


def _make(examples: int, dim: int, noise: float, seed: int) -> GaussianLatentSource:
    return GaussianLatentSource(examples=examples, dim=dim, noise=noise, seed=seed)

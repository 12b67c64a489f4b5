"""Two views of one Gaussian latent: the synthetic data of the contrastive-gap paper.

Source: Fahim et al., "It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
2024, arXiv 2405.18570; a small form of its experiment with identical inputs of both encoders.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmjax.data.records import Record, Source

# The number of rows where none is asked for, and the word of each split in the seed.
_SPLITS = {"train": (4096, 0), "test": (1000, 1)}


class GaussianLatentSource(Source):
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

    modalities = ("a", "b")

    def __init__(
        self,
        *,
        split: Literal["train", "test"] = "train",
        examples: int | None = None,
        dim: int = 32,
        noise: float = 0.0,
        seed: int = 0,
    ):
        if split not in _SPLITS:
            raise ValueError(f"gaussian_latent: split is {split!r}; it can be 'train' or 'test'")
        default, number = _SPLITS[split]
        examples = default if examples is None else examples
        if examples < 1 or dim < 1 or noise < 0:
            raise ValueError(
                f"gaussian_latent: examples={examples} and dim={dim} must be at least 1 and "
                f"noise={noise} at least 0"
            )
        self.split, self.examples, self.dim = split, examples, dim
        self.noise, self.seed = noise, seed
        latent, first, second = (
            np.random.default_rng([seed, number, part]).standard_normal((examples, dim), np.float32)
            for part in range(3)
        )
        self.a = latent + np.float32(noise) * first
        self.b = latent + np.float32(noise) * second

    def __len__(self) -> int:
        return self.examples

    def __getitem__(self, index: int) -> Record:
        key = f"gaussian_latent {self.split} row {index}"
        return {"id": index, "key": key, "a": self.a[index], "b": self.b[index]}

    def describe(self) -> str:
        return (
            f"gaussian_latent, {self.split}: {self.examples:,} rows of dimension {self.dim}, noise "
            f"{self.noise}, seed {self.seed}"
        )

"""Synthetic multi-view data: noisy views of instances, modalities that see parts of a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import NonNegative


@dataclass(kw_only=True, eq=False, repr=False)
class NoisyInstances(Generated):
    """Instances of which every view has noise of its own; for losses of many views.

    y ~ N(0, I_16), instance = tanh(y W) in R^64 with W ~ N(0, 1/16), and `label`, one of 10
    classes, the largest of a random linear map of y. The modality is `x`. In training leave `noise`
    0 and let the vector view add noise at each visit, once for `x`, `x@2`, ...; an evaluation sets
    it here, fixed.

    Args:
      split: 'train' (6,000 rows), 'probe' (3,000, to fit a probe on) or 'test' (2,000).
      examples: number of rows, if another.
      noise: standard deviation of the fixed noise.
      seed: of everything.
    """

    split: Literal["train", "probe", "test"] = "train"
    noise: NonNegative = 0.0

    name = "noisy_instances"
    splits: ClassVar = {"train": 6000, "probe": 3000, "test": 2000}
    modalities = ("x",)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        weights, classes = normal(world, 16, 64, scale=0.25), normal(world, 16, 10)
        y = normal(rng, count, 16)
        x = np.tanh(y @ weights) + np.float32(self.noise) * normal(rng, count, 64)
        labels = (y @ classes).argmax(axis=1)
        return {"x": x, "label": labels}


@dataclass(kw_only=True, eq=False, repr=False)
class LatentBlocks(Generated):
    """Three modalities of one latent, of which two see overlapping parts of different quality.

    z ~ N(0, I_12); t = z W_t + n_t e, v = z[0:8] W_v + n_v e, a = z[4:12] W_a + n_a e in R^32, with
    e ~ N(0, I_32) and W ~ N(0, 1 / fan-in). Neither v nor a determines t. `label`, one of 10
    classes, is the largest of a random linear map of z.

    Args:
      split: 'train' (8,000 rows) or 'test' (1,000).
      examples: number of rows, if another.
      noise: (n_t, n_v, n_a).
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"
    noise: tuple[NonNegative, NonNegative, NonNegative] = (0.1, 0.3, 1.0)

    name = "latent_blocks"
    splits: ClassVar = {"train": 8000, "test": 1000}
    modalities = ("t", "v", "a")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        z = normal(rng, count, 12)
        fields = {}
        for name, part, level in zip(
            "tva", (slice(0, 12), slice(0, 8), slice(4, 12)), self.noise, strict=True
        ):
            seen = z[:, part]
            weights = normal(world, seen.shape[1], 32, scale=seen.shape[1] ** -0.5)
            fields[name] = seen @ weights + np.float32(level) * normal(rng, count, 32)
        fields["label"] = (z @ normal(world, 12, 10)).argmax(axis=1)
        return fields

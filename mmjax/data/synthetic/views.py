"""Instances that are seen through noise, and modalities that each see a part of one latent."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, begin, normal


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

    def __init__(
        self,
        *,
        split: Literal["train", "probe", "test"] = "train",
        examples: int | None = None,
        noise: float = 0.0,
        seed: int = 0,
    ):
        splits = {"train": 6000, "probe": 3000, "test": 2000}
        count, world, rng = begin("noisy_instances", split, splits, examples, seed)
        weights, classes = normal(world, 16, 64, scale=0.25), normal(world, 16, 10)
        y = normal(rng, count, 16)
        x = np.tanh(y @ weights) + np.float32(noise) * normal(rng, count, 64)
        labels = (y @ classes).argmax(axis=1)
        super().__init__("noisy_instances", split, {"x": x, "label": labels}, ("x",))


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

    def __init__(
        self,
        *,
        split: Literal["train", "test"] = "train",
        examples: int | None = None,
        noise: tuple[float, float, float] = (0.1, 0.3, 1.0),
        seed: int = 0,
    ):
        splits = {"train": 8000, "test": 1000}
        count, world, rng = begin("latent_blocks", split, splits, examples, seed)
        z = normal(rng, count, 12)
        fields = {}
        for name, part, level in zip(
            "tva", (slice(0, 12), slice(0, 8), slice(4, 12)), noise, strict=True
        ):
            seen = z[:, part]
            weights = normal(world, seen.shape[1], 32, scale=seen.shape[1] ** -0.5)
            fields[name] = seen @ weights + np.float32(level) * normal(rng, count, 32)
        fields["label"] = (z @ normal(world, 12, 10)).argmax(axis=1)
        super().__init__("latent_blocks", split, fields, ("t", "v", "a"))

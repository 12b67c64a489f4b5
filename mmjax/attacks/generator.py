"""A small network that makes a change of every image."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks.base import Change, FittedAttack
from mmjax.attacks.pgd import signs
from mmjax.errors import ConfigError
from mmjax.schema.bounds import Count, Factor, Portion, Repeats

_KERNEL = 3


@dataclass(kw_only=True)
class GeneratorAttack(FittedAttack):
    """A generator of changes: x' = clip(x + eps tanh(g(x)), 0, 1), g a few convolutions.

    g is fitted by Adam to a frozen tower, and then changes images that it has not seen in one pass,
    also for towers that it was not fitted to. Aich et al. 2022 (GAMA, arXiv 2209.09502), whose
    generator is a ResNet and whose surrogate is a classifier; its term of intermediate features is
    left out. What `random` gives is x + eps or x - eps, each number by a coin.

    Args:
      eps: of a number's range, which for images is 1 = 255.
      widths: channels of the convolutions before the last one, each 3 x 3 with a ReLU.
      steps, learning_rate, batch_size: of Adam.
      distance, attract, margin, contrastive, topology, text, temperature: what is minimized, as all
        attacks; the paper's image and text terms are `distance` and `attract`.
    """

    eps: Portion = 10 / 255
    widths: tuple[Count, ...] = (8, 8)
    steps: Repeats = 100
    learning_rate: Factor = 3e-3
    batch_size: Count = 32

    def start(self, shape: tuple[int, ...], seed: int) -> list[dict[str, jax.Array]]:
        if len(shape) != 3:
            raise ConfigError(
                "attack: a generator changes images [height, width, channels], and these inputs "
                f"have the shape {list(shape)}; take 'pgd' for them"
            )
        rng, sizes = np.random.default_rng([seed, len(self.widths)]), (shape[-1], *self.widths)
        layers = []
        for inputs, outputs in pairwise((*sizes, shape[-1])):
            scale = np.sqrt(2 / (inputs * _KERNEL**2))
            kernel = scale * rng.standard_normal((_KERNEL, _KERNEL, inputs, outputs))
            layers.append({"kernel": jnp.float32(kernel), "bias": jnp.zeros(outputs)})
        return layers

    def changed(self, parameters: Any, inputs: jax.Array) -> jax.Array:
        x = inputs
        for number, layer in enumerate(parameters):
            x = jax.nn.relu(x) if number else x
            axes = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(
                x, layer["kernel"], (1, 1), "SAME", dimension_numbers=axes
            )
            x = x + layer["bias"]
        return jnp.clip(inputs + self.eps * jnp.tanh(x), 0.0, 1.0)

    def random(self, shape: tuple[int, ...], seed: int) -> Change:
        return signs(self.eps, seed)

"""A patch that is put on every image."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks.base import Change, FittedAttack
from mmjax.errors import ConfigError
from mmjax.schema.bounds import Count, Factor, NonNegativeInt, RepeatsOrZero


@dataclass(kw_only=True)
class PatchAttack(FittedAttack):
    """One patch for all images: the universal adversarial patch of AdvCLIP.

    A square of pixels in the lower right corner is replaced, the same in every image. The pixels
    are sigmoids of free numbers, fitted by Adam to a frozen tower on many images at once; at first
    they are uniform, and that patch is the one of `random`. Zhou et al. 2023 (arXiv 2308.07026),
    who make the patch by a generative adversarial network, which is left out.

    Args:
      side: of the square, in pixels.
      border: pixels between the square and the right and lower edge.
      steps, learning_rate, batch_size: of Adam.
      distance, contrastive, topology, attract, text, temperature, margin: what is minimized, as
        all attacks; the paper's are contrastive=10, topology=1, text=5, temperature=0.1.
    """

    side: Count = 38
    border: NonNegativeInt = 14
    steps: RepeatsOrZero = 100
    learning_rate: Factor = 0.1
    batch_size: Count = 64

    def start(self, shape: tuple[int, ...], seed: int) -> jax.Array:
        self._check(shape)
        pixels = np.random.default_rng([seed, self.side]).uniform(
            0.02, 0.98, (self.side, self.side, shape[-1])
        )
        return jnp.asarray(np.log(pixels / (1 - pixels)), jnp.float32)

    def changed(self, parameters: Any, inputs: jax.Array) -> jax.Array:
        top, left = (size - self.border - self.side for size in inputs.shape[1:3])
        patch = jnp.broadcast_to(jax.nn.sigmoid(parameters), (len(inputs), *parameters.shape))
        return jax.lax.dynamic_update_slice(inputs, patch, (0, top, left, 0))

    def random(self, shape: tuple[int, ...], seed: int) -> Change:
        parameters = self.start(shape, seed)
        return jax.jit(lambda x: self.changed(parameters, x))

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or min(shape[:2]) < self.side + self.border:
            raise ConfigError(
                f"attack: a patch of side={self.side} and border={self.border} does not fit on "
                f"inputs of shape {list(shape)}; it is for images [height, width, channels]"
            )

"""Projected gradient descent: a small change of every input by itself."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks.base import Attack, Change, Tower
from mmjax.schema.bounds import Portion, Repeats

_TEXTS = 256  # that `attract` may choose from


@dataclass(kw_only=True)
class PgdAttack(Attack):
    """Projected gradient descent on every input, within a bound of each number.

    Madry et al. 2018 (arXiv 1706.06083), in the space of embeddings: from x + eps u, u uniform in
    [-1, 1], `steps` times x' = clip(x' - rate sign(gradient), x - eps, x + eps), and back to
    [0, 1]. What `random` gives is x + eps or x - eps, each number by a coin.

    Args:
      eps: of a number's range, which for images is 1 = 255.
      steps: of the descent.
      rate: of a step, as `eps`.
      distance, attract, margin, text, contrastive, topology, temperature: what is minimized, as all
        attacks; contrastive and topology are of many inputs and have to be 0 here.
    """

    eps: Portion = 8 / 255
    steps: Repeats = 20
    rate: Portion = 2 / 255

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.contrastive or self.topology:
            raise ValueError(
                "pgd: contrastive and topology compare many inputs, and this attack changes every "
                "one by itself; set them to 0, and give distance or attract"
            )

    def random(self, shape: tuple[int, ...], seed: int) -> Change:
        return signs(self.eps, seed)

    def fitted(self, tower: Tower, inputs: np.ndarray, texts: np.ndarray, seed: int) -> Change:
        some = jnp.asarray(texts[:_TEXTS])

        @jax.jit
        def step(tower: Tower, x: jax.Array, x_start: jax.Array, clean: jax.Array) -> jax.Array:
            gradient = jax.grad(lambda x: self.loss(tower(x), clean, some))(x)
            x = x - self.rate * jnp.sign(gradient)
            return jnp.clip(jnp.clip(x, x_start - self.eps, x_start + self.eps), 0.0, 1.0)

        program = jax.jit(lambda tower, x: tower(x))

        def change(x: jax.Array) -> jax.Array:
            clean = program(tower, x)
            noise = jax.random.uniform(jax.random.key(seed), x.shape, minval=-1.0)
            moved = jnp.clip(x + self.eps * noise, 0.0, 1.0)
            for _ in range(self.steps):
                moved = step(tower, moved, x, clean)
            return moved

        return change


def signs(eps: float, seed: int) -> Change:
    """x + eps or x - eps, each number by a coin, within [0, 1]."""

    @jax.jit
    def change(x: jax.Array) -> jax.Array:
        coins = jax.random.rademacher(jax.random.key(seed), x.shape, x.dtype)
        return jnp.clip(x + eps * coins, 0.0, 1.0)

    return change

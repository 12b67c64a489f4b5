"""Splits the tokens of many modalities into an input and a target, for the term `masked_slots`.

"towers": {"slots": {"augment": {"type": "mask_slots", "slots": SLOTS, "inputs": 256,
                                 "targets": 256, "views": ("slots@masked",)}, ...}}
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders.layers import draw, dropout_key, split_key
from mmjax.errors import ConfigError
from mmjax.model.base import Augmentation
from mmjax.model.masking import SHOWN
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, Positive
from mmjax.schema.slots import Slots, owners


class MaskSlots(Augmentation):
    """Budgets of tokens of many modalities: some are seen, others asked for, and the rest unused.

    Of each example at most `inputs` tokens stay, and at most `targets` others are asked for. Both
    shares of the modalities are drawn from a Dirichlet distribution, each with an alpha that is
    drawn evenly from `alphas`: a small one has few modalities. Tokens are then drawn one after
    the other without replacement, each as likely as its modality's share (by adding Gumbel
    noise to its logarithm); where a modality has no more, others give theirs. Bachmann et al. 2024
    (arXiv 2406.09406, 4M-21) round the shares to numbers of tokens.

    Args:
      slots: modality -> (tokens, codes), as of the view `slots`.
      inputs: the most tokens that are seen.
      targets: the most that are asked for.
      alphas: to draw from, for inputs and for targets.
      views: outputs of the tower whose tokens are hidden, such as `slots@masked`; all, if empty.

    Raises:
      ConfigError: where no alpha is given.
    """

    gives_targets = True

    def __init__(
        self,
        *,
        slots: Slots,
        inputs: Count,
        targets: Count,
        alphas: tuple[Positive, ...] = (0.1, 1.0, 10.0),
        views: tuple[ViewRef, ...] = (),
    ):
        if not alphas:
            raise ConfigError("mask_slots: alphas=() has none to draw: give at least one")
        self.owner = np.array(owners(slots))
        self.inputs, self.targets, self.alphas = inputs, targets, tuple(alphas)
        self.views = views

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Tokens i32[B, S] -> (inputs, targets) i32[B, S], -1 elsewhere; (x, None) in testing."""
        key = dropout_key(rngs, train, 1.0, "mask_slots")
        if key is None:
            return x, None
        if x.ndim != 2 or x.shape[1] != len(self.owner):
            raise ConfigError(
                f"mask_slots: inputs of shape {x.shape} are not the {len(self.owner)} tokens of "
                "'slots'"
            )
        first, second = split_key(key, 2)
        seen = self._drawn(x >= 0, first, self.inputs)
        asked = self._drawn((x >= 0) & ~seen, second, self.targets)
        return jnp.where(seen, x, SHOWN), jnp.where(asked, x, SHOWN)

    def _drawn(self, there: jax.Array, key: jax.Array, most: int) -> jax.Array:
        """bool[B, S]: at most so many of those that are there."""

        def scores(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            which, share, noise = jax.random.split(key, 3)
            alpha = jax.random.choice(which, jnp.asarray(self.alphas))
            # Logarithms: of a small alpha the shares themselves are below the least number.
            log_share = jax.random.loggamma(share, alpha, (int(self.owner.max()) + 1,))
            return log_share[self.owner] + jax.random.gumbel(noise, shape)

        score = jnp.where(there, draw(scores, key, there.shape), -jnp.inf)
        order = jnp.argsort(-score, axis=1)
        place = jnp.argsort(order, axis=1)
        return there & (place < most)

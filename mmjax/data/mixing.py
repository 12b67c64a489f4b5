"""Mixing of inputs: a row of a batch becomes a mixture of itself and another row (mixup).

    "mix_inputs": {"voxels": {"alpha": 0.15, "probability": 0.5}}

under `data`. It happens on the device, of the whole batch in each training step, before the towers.
Terms that know mixtures, such as `mixup_nce` with `mix='inputs'`, find the shares beside the batch.
"""

import dataclasses
import zlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from mmjax.errors import ConfigError
from mmjax.schema.bounds import Fraction, Positive
from mmjax.schema.names import presence

Arrays = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class MixConfig:
    """How the rows of one input are mixed.

    Attributes:
      alpha: of the share b ~ Beta(alpha, alpha) that a row keeps of itself.
      probability: that a row is mixed at all; the others have b = 1.
    """

    alpha: Positive = 0.15
    probability: Fraction = 0.5


def shares_of(name: str) -> str:
    """The name of the shares f32[B] of an input beside a batch."""
    return f"mix/{name}/share"


def partners_of(name: str) -> str:
    """The name there of the rows i32[B] that are mixed in."""
    return f"mix/{name}/partner"


def mixed(configs: Mapping[str, MixConfig], batch: Arrays, key: jax.Array) -> dict[str, jax.Array]:
    """A batch with mixed inputs, b_i x_i + (1 - b_i) x_π(i), and their b and π beside it.

    π is a random permutation of the batch. A row that is absent is not mixed, nor with another.

    Args:
      configs: by the name of what is mixed.
      batch: of all rows, by the same names.
      key: of the step.

    Raises:
      ConfigError: for inputs that are not numbers on a scale, such as the ids of a text.
    """
    found = dict(batch)
    for name, config in configs.items():
        x = batch[name]
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ConfigError(
                f"'data.mix_inputs.{name}' mixes {x.dtype}, but the mean of two ids is another "
                "thing: mix embeddings, by the term 'mixup_nce'"
            )
        own = jax.random.fold_in(key, zlib.crc32(name.encode()))
        shares, chosen, order = jax.random.split(own, 3)
        partner = jax.random.permutation(order, len(x)).astype(jnp.int32)
        b = jax.random.beta(shares, config.alpha, config.alpha, (len(x),))
        kept = jax.random.bernoulli(chosen, 1 - config.probability, (len(x),))
        there = presence(batch, name)
        if there is not None:
            there = jnp.asarray(there, bool)
            kept = kept | ~(there & jnp.take(there, partner))
        b = jnp.where(kept, 1.0, b)
        weight = b.reshape(-1, *(1,) * (x.ndim - 1)).astype(x.dtype)
        mixture = weight * x + (1 - weight) * jnp.take(x, partner, axis=0)
        # What is not mixed stays as it is, whatever stands in for an absent row.
        found[name] = jnp.where(weight == 1, x, mixture)
        found |= {shares_of(name): b, partners_of(name): partner}
    return found

"""How the tests of augmentations on the device run them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def keys(count, seed=0):
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(count))


@functools.partial(jax.jit, static_argnums=(0, 1))
def run(augmentation, options, x, keys):
    return augmentation(**dict(options))(x, train=True, rngs=nnx.Rngs(dropout=keys))


def augmented(augmentation, options, x, seed=0):
    """What the class `augmentation` with `options` makes of a batch in training."""
    keys_of_rows = keys(len(x), seed)
    return np.asarray(run(augmentation, tuple(options.items()), jnp.asarray(x), keys_of_rows))

"""How the tests of augmentations on the device run them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jitted import drawn

from mmjax.model.definition import Definition
from mmjax.objectives import Context
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel import microbatch
from mmjax.parallel.pairwise import Plan


@functools.partial(jax.jit, static_argnums=0)
def keys(count, seed=0):
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(count))


@functools.partial(jax.jit, static_argnums=(0, 1))
def run(augmentation, options, x, keys):
    return augmentation(**dict(options))(x, train=True, rngs=nnx.Rngs(dropout=keys))


def augmented(augmentation, options, x, seed=0):
    """What the class `augmentation` with `options` makes of a batch in training."""
    keys_of_rows = keys(len(x), seed)
    return np.asarray(run(augmentation, tuple(options.items()), jnp.asarray(x), keys_of_rows))


def gradient_of(make, batch, slices):
    """((loss, metrics), gradients by path) of a system that `make` builds, on two devices.

    Args:
      make: of the system.
      batch: of 16 rows.
      slices: microbatches.
    """
    definition, arrays = Definition.of(make), Definition.arrays(drawn(make))
    params = {path: arrays[path] for path in definition.kinds(nnx.Param)}
    mesh = mesh_lib.make_mesh(2, 1, 1, jax.devices()[:2])

    def embed(params, constants, batch, keys):
        return definition.merge(params).embed(batch, train=True, key=keys), constants

    def reduce(params, constants, outputs):
        return definition.merge(params).objectives(outputs, batch, Context(Plan(mesh)))

    @jax.jit
    def run(params, batch):
        of_rows = microbatch.row_keys(jax.random.key(1), 16)
        how = {"microbatches": slices, "mesh": mesh}
        return microbatch.value_and_grad(embed, reduce, params, {}, batch, of_rows, **how)

    return run(params, batch)

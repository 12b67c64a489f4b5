"""Embeds galleries in a step: inputs that are no rows of the batch."""

import zlib
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp

from mmjax.data.galleries import GalleryConfig, ids_of, inputs_of, weights_of
from mmjax.encoders.layers import fold_in
from mmjax.model.embedding import Gallery
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.microbatch import row_keys
from mmjax.schema.names import presence_name
from mmjax.system.system import System

Arrays = Mapping[str, jax.Array]


def embed(
    system: System,
    configs: Mapping[str, GalleryConfig],
    arrays: Arrays,
    mesh: jax.sharding.Mesh,
    *,
    names: Iterable[str] | None = None,
    train: bool = False,
    key: jax.Array | None = None,
    prompted: bool = True,
) -> dict[str, Gallery]:
    """The embedded galleries of a recipe, by name, split over the devices as a batch is.

    Args:
      system: that embeds them.
      configs: of the recipe.
      arrays: what `mmjax.data.inputs.galleries` gives; other names are passed over.
      mesh: of the devices.
      names: which galleries; all where None.
      train: dropout as in training.
      key: for dropout; each entry draws from a key of its own.
      prompted: whether towers get the prompts of adapters.
    """
    layout, found = mesh_lib.batch_sharding(mesh), {}
    for name in configs if names is None else names:
        values, ids = arrays[inputs_of(name)], arrays[ids_of(name)]
        view, count = configs[name].view, len(ids)
        padding = -count % mesh_lib.batch_shards(mesh)
        if padding:
            # With an entry: an empty one may be no valid input.
            more = jnp.broadcast_to(values[:1], (padding, *values.shape[1:]))
            values = jnp.concatenate([values, more])
            ids = jnp.concatenate([ids, jnp.full(padding, -1, ids.dtype)])
        values = jax.lax.with_sharding_constraint(values, layout)
        keys = None
        if key is not None:
            keys = row_keys(fold_in(key, zlib.crc32(name.encode())), len(ids))
        valid = jnp.arange(len(ids)) < count
        batch = {view: values, presence_name(view): valid} if padding else {view: values}
        outputs = system.embed(batch, train=train, key=keys, prompted=prompted)
        weight = arrays.get(weights_of(name))
        if weight is not None:
            weight = jnp.pad(weight, (0, padding))
        found[name] = Gallery(outputs[view], ids, valid, weight)
    return found

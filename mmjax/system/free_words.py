"""Text towers as functions of the vectors of words, and not of the words' numbers alone."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.errors import ConfigError
from mmjax.model.definition import Definition
from mmjax.schema.names import modality_of
from mmjax.system.system import System


class FreeWords(NamedTuple):
    """A text tower whose words may be vectors of one's own.

    Attributes:
      embed: `(ids i32[B, T], vectors f[K, W]) -> f32[B, D]`, unit rows, with a gradient; the id
        V + k stands for the k-th of these vectors. A pytree, see `Embedder.function`.
      table: f32[V, W], the vectors of the words that the tower knows.
    """

    embed: Callable[[jax.Array, jax.Array], jax.Array]
    table: np.ndarray


def free_words(
    definition: Definition[System], arrays: Mapping[str, jax.Array], modality: str
) -> FreeWords:
    """A tower with free words: its table of vectors grows by the rows that one gives.

    Args:
      definition: structure of the System.
      arrays: path -> array, all of its variables.
      modality: of the tower.

    Raises:
      ConfigError: for a tower that has no table of words.
    """
    name = modality_of(modality)
    tower = definition.merge(arrays).towers.get(name)
    table = getattr(getattr(tower, "encoder", None), "token", None)
    if table is None:
        raise ConfigError(
            f"the tower of {modality!r} has no table of words that could be changed; name one of a "
            "text encoder, such as 'text_transformer' or 'bag_of_tokens'"
        )

    def embed(arrays: Mapping[str, jax.Array], ids: jax.Array, vectors: jax.Array) -> jax.Array:
        system = definition.merge(arrays)
        encoder: Any = system.towers[name].encoder
        own = encoder.token[...]
        encoder.token = nnx.Param(jnp.concatenate([own, vectors.astype(own.dtype)]))
        return system.embed({modality: ids})[modality].unit.astype(jnp.float32)

    known = np.asarray(table[...], np.float32)
    return FreeWords(jax.tree_util.Partial(embed, dict(arrays)), known)

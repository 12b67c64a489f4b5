"""A learned vector for each of some numbered things: users, items, subjects."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.parallel.layout import whole
from mmjax.schema.bounds import Count, Positive


class Lookup(Encoder):
    """A table of learned vectors, numbers i[B] or f[B] -> f[B, W].

    A number outside of 0 to size - 1 gives NaN. Parameters are N(0, deviation²).

    Args:
      size: how many things there are.
      width: W.
      deviation: at the start.
      dtype: of the output; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        size: Count,
        width: Count,
        deviation: Positive = 0.1,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(size=size, width=width)
        self.size, self.width, self.dtype = size, width, dtype
        start = nnx.initializers.normal(deviation)
        self.table = nnx.Param(start(rngs.params(), (size, width), jnp.float32))

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes numbers [B]; see `mmjax.encoders.base`."""
        if x.ndim != 1:
            raise EncoderError(
                f"numbers of shape {x.shape} where [B] is expected: give the modality a view of "
                "type 'array' with shape=()"
            )
        number = x.astype(jnp.int32)
        # Negative ones would count from the end.
        number = jnp.where(number < 0, self.size, number)
        found = jnp.take(whole(self.table[...]), number, axis=0, mode="fill", fill_value=jnp.nan)
        return Encoding(found.astype(self.dtype))

"""An MLP on each vector of a sequence by itself: patches or tokens that are features already."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.encoders.mlp import PlainActivation
from mmjax.schema.bounds import Count

TokenPool = Literal["mean", "max"]


class TokenMLP(Encoder):
    """Linear layers on every vector, f[B, T, N] -> tokens f[B, T, W], pooled f[B, W].

    A vector of zeros is padding, as the view `sequence` makes it: it is masked and takes no part in
    the pooling. Kernels are He-normal, biases zero.

    Args:
      inputs: N, the size of the vectors.
      hidden: the widths of the hidden layers.
      width: W, the size of the output.
      activation: between the layers.
      pool: `mean` or `max` of the tokens that are there.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        inputs: Count,
        hidden: tuple[Count, ...] = (64,),
        width: Count,
        activation: PlainActivation = "gelu",
        pool: TokenPool = "mean",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(inputs=inputs, width=width)
        check_choice("activation", activation, PlainActivation)
        check_choice("pool", pool, TokenPool)
        if any(size < 1 for size in hidden):
            raise EncoderError(f"hidden={tuple(hidden)}: every layer needs at least 1 unit")
        self.inputs, self.width, self.activation, self.pool = inputs, width, activation, pool
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.he_normal(), dtype=dtype, rngs=rngs)
            for a, b in pairwise((inputs, *hidden, width))
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, T, N]; see `mmjax.encoders.base`."""
        if x.ndim != 3 or x.shape[2] != self.inputs:
            raise EncoderError(
                f"sequences of shape {x.shape} where [B, T, {self.inputs}] is expected"
            )
        mask = (x != 0).any(-1)
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
        tokens = self.layers[-1](x)
        return Encoding(pool_tokens(tokens, mask, self.pool), tokens, mask)


def pool_tokens(tokens: jax.Array, mask: jax.Array | None, pool: str) -> jax.Array:
    """f[B, T, W] -> f[B, W], over tokens that are there; zeros where none is.

    Args:
      tokens: f[B, T, W].
      mask: bool[B, T], or None if all are there.
      pool: `mean`, `max` or `sum`.
    """
    if mask is None:
        mask = jnp.ones(tokens.shape[:2], bool)
    there = mask[:, :, None]
    if pool == "max":
        top = jnp.where(there, tokens, -jnp.inf).max(axis=1)
        return jnp.where(mask.any(1)[:, None], top, 0.0)
    total = jnp.where(there, tokens, 0.0).sum(axis=1)
    if pool == "sum":
        return total
    return total / jnp.maximum(mask.sum(1, dtype=total.dtype), 1.0)[:, None]

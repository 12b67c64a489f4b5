"""Pooling: from a vector per position to a vector per example."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.initializers import Initialization, initialization
from mmjax.encoders.layers import Activation, Attention, FeedForward, layer_norm
from mmjax.encoders.transformer_config import TransformerConfig


def mean(tokens: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """The mean over real positions: f[B, T, W], bool[B, T] -> f[B, W]; 0 where none is real.

    The sum is in float32.
    """
    if mask is None:
        return tokens.mean(axis=1, dtype=jnp.float32).astype(tokens.dtype)
    total = jnp.sum(tokens, axis=1, dtype=jnp.float32, where=mask[:, :, None])
    return (total / jnp.maximum(mask.sum(axis=1), 1)[:, None]).astype(tokens.dtype)


def largest(tokens: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """The largest of all real positions, for each channel: f[B, T, W], bool[B, T] -> f[B, W].

    0 where no position is real. Through the position of the maximum, to which the gradient goes.
    That of `jnp.max` divides by the number of positions that equal the maximum, and a compiler that
    computes `tokens` a second time for the comparison, with another rounding, finds none: NaN.
    """
    seen = tokens if mask is None else jnp.where(mask[:, :, None], tokens, -jnp.inf)
    where = jnp.argmax(seen, axis=1, keepdims=True)
    top = jnp.take_along_axis(tokens, where, axis=1)[:, 0]
    return top if mask is None else jnp.where(mask.any(axis=1)[:, None], top, 0)


def at(tokens: jax.Array, position: jax.Array) -> jax.Array:
    """The vector at one position of each example: f[B, T, W], i32[B] -> f[B, W]."""
    return jnp.take_along_axis(tokens, position[:, None, None], axis=1)[:, 0]


def last_position(mask: jax.Array) -> jax.Array:
    """The last True of each row, bool[B, T] -> i32[B]; 0 where there is none."""
    return jnp.max(jnp.where(mask, jnp.arange(mask.shape[1]), 0), axis=1)


def last_tokens(tokens: jax.Array, mask: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """The last `count` real positions of each row, in their order, and which of these are real.

    f[B, T, W], bool[B, T] -> f[B, count, W], bool[B, count]. Where a row has fewer real ones, they
    come last.
    """
    before = max(0, count - tokens.shape[1])
    tokens = jnp.pad(tokens, ((0, 0), (before, 0), (0, 0)))
    mask = jnp.pad(mask, ((0, 0), (before, 0)))
    where = jnp.argsort(mask, axis=1, stable=True)[:, -count:]
    found = jnp.take_along_axis(tokens, where[:, :, None], axis=1)
    return found, jnp.take_along_axis(mask, where, axis=1)


class AttentionPooling(nnx.Module):
    """A learned probe attends to all positions; a residual MLP follows; f[B, T, W] -> f[B, W].

    y = attention(probe, tokens);  y + mlp(norm(y))   (Zhai et al. 2022, "Scaling vision
    transformers", section 3.2: multihead attention pooling; the head of SigLIP.)
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        mlp_width: int,
        activation: Activation,
        bias: bool = True,
        eps: float,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        common: dict[str, Any] = {
            "width": width,
            "bias": bias,
            "init": init,
            "dtype": dtype,
            "rngs": rngs,
        }
        self.dtype = dtype
        self.probe = nnx.Param(init.special(rngs.params(), (1, 1, width), jnp.float32))
        self.attention = Attention(heads=heads, **common)
        self.norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs)
        self.mlp = FeedForward(hidden=mlp_width, activation=activation, **common)

    def __call__(self, tokens: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        probe = self.probe[...].astype(self.dtype)
        probe = jnp.broadcast_to(probe, (tokens.shape[0], 1, tokens.shape[2]))
        y = self.attention(probe, tokens, mask=mask)[:, 0]
        return y + self.mlp(self.norm(y))


def attention_pooling(
    config: TransformerConfig,
    *,
    heads: int | None = None,
    mlp_width: int = 0,
    bias: bool,
    init: Initialization,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> AttentionPooling:
    """The pooling that goes with a transformer: its width, activation and epsilon.

    Heads and the width of the MLP, too, unless they are given.
    """
    return AttentionPooling(
        width=config.width,
        heads=config.heads if heads is None else heads,
        mlp_width=mlp_width or config.hidden,
        activation=config.activation,
        bias=bias,
        eps=config.eps,
        init=init,
        dtype=dtype,
        rngs=rngs,
    )


class GridAttentionPooling(nnx.Module):
    """CLIP's pooling: the mean of the map attends to the map and itself, f[B, T, C] -> f[B, W].

    Radford et al. 2021, section 2.4: "a single layer of transformer-style multi-head QKV attention
    where the query is conditioned on the global average-pooled representation".
    """

    def __init__(
        self, *, count: int, channels: int, heads: int, width: int, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.dtype = dtype
        start = nnx.initializers.normal(channels**-0.5)
        self.position = nnx.Param(start(rngs.params(), (count + 1, channels), jnp.float32))
        # CLIP draws all four projections with the standard deviation channels^-1/2.
        init = initialization("clip", width=channels, depth=1)
        self.attention = Attention(
            width=channels, heads=heads, out_width=width, init=init, dtype=dtype, rngs=rngs
        )

    def __call__(self, tokens: jax.Array) -> jax.Array:
        mean = tokens.mean(axis=1, keepdims=True, dtype=jnp.float32).astype(tokens.dtype)
        y = jnp.concatenate([mean, tokens], axis=1) + self.position[...].astype(self.dtype)
        return self.attention(y[:, :1], y)[:, 0]

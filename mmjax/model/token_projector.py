"""A projection head on the tokens of frozen encoders.

Maniparambil et al. 2025, From Unimodal to Multimodal: Scaling up Projectors to Align Modalities
(freeze-align), arXiv 2409.19425.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.layers import ACTIVATIONS, dropout, fold_in
from mmjax.encoders.tokens import pool_tokens
from mmjax.model.base import Head
from mmjax.schema.bounds import BelowOne, Count, CountOrZero


class Projector(nnx.Module):
    """P(x) = A y + C gelu(B y) with y = dropout(layer norm(x)), f[..., W] -> f32[..., dim]."""

    def __init__(self, *, width: int, dim: int, rate: float, dtype: DTypeLike, rngs: nnx.Rngs):
        self.rate = rate
        options: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        options["preferred_element_type"] = jnp.float32
        he, plain = nnx.initializers.he_normal(), nnx.initializers.normal
        self.norm = nnx.LayerNorm(width, dtype=jnp.float32, rngs=rngs)
        self.linear = nnx.Linear(width, dim, kernel_init=plain(width**-0.5), **options)
        self.up = nnx.Linear(width, dim, kernel_init=he, **options)
        self.down = nnx.Linear(dim, dim, kernel_init=plain(dim**-0.5), **options)

    def __call__(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        y = dropout(self.norm(x.astype(jnp.float32)), self.rate, key)
        branch = self.down(ACTIVATIONS["gelu"](self.up(y)))
        return (self.linear(y) + branch).astype(jnp.float32)


class Refinement(nnx.Module):
    """layer norm(u + dropout(C gelu(u))) with u = A x, f32[B, D] -> f32[B, D]."""

    def __init__(self, *, dim: int, rate: float, dtype: DTypeLike, rngs: nnx.Rngs):
        self.rate = rate
        options: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        options |= {"kernel_init": nnx.initializers.normal(dim**-0.5)}
        options["preferred_element_type"] = jnp.float32
        self.first, self.second = nnx.Linear(dim, dim, **options), nnx.Linear(dim, dim, **options)
        self.norm = nnx.LayerNorm(dim, dtype=jnp.float32, rngs=rngs)

    def __call__(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        u = self.first(x)
        branch = dropout(self.second(ACTIVATIONS["gelu"](u)), self.rate, key)
        refined: jax.Array = self.norm((u + branch).astype(jnp.float32))
        return refined


class TokenProjector(Head):
    """A projector of every token by itself, and their mean; Encoding -> f32[B, dim].

    For towers that stay frozen, whose tokens know more than their pooled vector. With the tokens
    x_n that are there,

        z = mean_n P(x_n),   P(x) = A y + C gelu(B y),   y = dropout(layer norm(x)).

    With `first`, P'(x_0) is added, of a projector of its own: for a class token. With `refine` the
    result is layer norm(u + dropout(C' gelu(u))), u = A' z. Freeze-align (arXiv 2409.19425) has the
    former for images and the latter for texts. An encoder without tokens has its pooled vector for
    the only one.

    Args:
      dim: size of the joint space, and of the hidden layers.
      skip: how many tokens at the start are left out of the mean, such as 1 for [CLS], or 5 where
        registers follow it.
      first: whether the first token has a projector of its own; it is then among those that `skip`
        leaves out.
      refine: whether a residual block follows the mean.
      dropout: rate, in training.
      width: W, of the encoder's tokens.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    reads_encoding = True

    def __init__(
        self,
        *,
        dim: Count,
        skip: CountOrZero = 0,
        first: bool = False,
        refine: bool = False,
        dropout: BelowOne = 0.0,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim)
        check_rate("dropout", dropout)
        if skip < int(first):
            raise EncoderError(
                f"skip={skip} of a head of type 'token_projector' with first={first} should be at "
                f"least {int(first)}"
            )
        self.dim, self.skip, self.width, self.dropout = dim, skip, width, dropout
        options: dict[str, Any] = {"rate": dropout, "dtype": dtype, "rngs": rngs}
        self.each = Projector(width=width, dim=dim, **options)
        self.first = Projector(width=width, dim=dim, **options) if first else None
        self.refine = Refinement(dim=dim, **options) if refine else None

    def __call__(
        self,
        encoding: Encoding,
        shared: Mapping[str, nnx.Module] | None,
        *,
        train: bool = False,
        key: jax.Array | None = None,
    ) -> jax.Array:
        del shared, train
        tokens, mask = encoding.tokens, encoding.mask
        if tokens is None:
            tokens, mask = encoding.pooled[:, None], None
        if tokens.shape[-1] != self.width:
            raise EncoderError(
                f"tokens of {tokens.shape[-1]} numbers for a head of type 'token_projector', which "
                f"was built for the {self.width} of the encoder's pooled vector: choose a pooling "
                "that keeps their width, such as pool='mean'"
            )
        if self.skip >= tokens.shape[1]:
            raise EncoderError(
                f"skip={self.skip} leaves none of the encoder's {tokens.shape[1]} tokens"
            )
        keys = [None if key is None else fold_in(key, number) for number in range(3)]
        mask = None if mask is None else mask[:, self.skip :]
        z = pool_tokens(self.each(tokens[:, self.skip :], keys[0]), mask, "mean")
        if self.first is not None:
            z = z + self.first(tokens[:, 0], keys[1])
        return z if self.refine is None else self.refine(z, keys[2])

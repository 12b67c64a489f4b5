"""Heads on tokens: a query map with pooling, and a codebook that all modalities share.

Chen et al. 2023, Revisiting Multimodal Representation in Contrastive Learning: From Patch and Token
Embeddings to Finite Discrete Tokens (FDT), arXiv 2303.14865.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.encoders.tokens import pool_tokens
from mmjax.model.base import Head
from mmjax.schema.bounds import Count, CountOrZero, Factor

Pooling = Literal["max", "mean", "sum"]
Saved = tuple[jax.Array, jax.Array, jax.Array]
Simplex = Literal["sparsemax", "softmax", "sigmoid"]


class QueryMap(nnx.Module):
    """Layer norm, linear, GELU, layer norm, linear: f[B, T, W] -> f32[B, T, dim]."""

    def __init__(self, *, width: int, dim: int, dtype: DTypeLike, rngs: nnx.Rngs):
        self.width = width
        options: dict[str, Any] = {
            "dtype": dtype,
            "preferred_element_type": jnp.float32,
            "rngs": rngs,
        }
        he = nnx.initializers.he_normal()
        self.first_norm = nnx.LayerNorm(width, dtype=jnp.float32, rngs=rngs)
        self.first = nnx.Linear(width, dim, kernel_init=he, **options)
        self.second_norm = nnx.LayerNorm(dim, dtype=jnp.float32, rngs=rngs)
        self.second = nnx.Linear(dim, dim, kernel_init=nnx.initializers.xavier_normal(), **options)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        if tokens.shape[-1] != self.width:
            raise EncoderError(
                f"tokens of {tokens.shape[-1]} numbers for a head that reads tokens and was built "
                f"for the {self.width} of the encoder's pooled vector: choose a pooling that keeps "
                "their width, such as pool='mean'"
            )
        x = self.first(self.first_norm(tokens.astype(jnp.float32)))
        return self.second(self.second_norm(ACTIVATIONS["gelu"](x))).astype(jnp.float32)


class TokenHead(Head):
    """A projection head on tokens: query map, pooling, linear layer; Encoding -> f32[B, dim].

    The FDT head without its codebook; a control for what the codebook adds.

    Args:
      dim: size of the joint space, and of the queries.
      pool: of the queries, over tokens that are there.
      skip: how many tokens at the start are left out, such as 1 for [CLS].
      width: W, of the encoder's tokens.
      dtype: of the products.
      rngs: for the initial parameters.
    """

    reads_encoding = True

    def __init__(
        self,
        *,
        dim: Count,
        pool: Pooling = "max",
        skip: CountOrZero = 0,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim)
        check_choice("pool", pool, Pooling)
        _check_skip(skip)
        self.dim, self.pool, self.skip = dim, pool, skip
        self.query = QueryMap(width=width, dim=dim, dtype=dtype, rngs=rngs)
        self.project = nnx.Linear(
            dim, dim, use_bias=False, kernel_init=nnx.initializers.normal(dim**-0.5), rngs=rngs
        )

    def __call__(
        self, encoding: Encoding, shared: Mapping[str, Codebook], *, train: bool = False
    ) -> jax.Array:
        del shared
        tokens, mask = _tokens(encoding, self.skip)
        return self.project(pool_tokens(self.query(tokens), mask, self.pool))


class Codebook(nnx.Module):
    """A codebook: K learned codes of D numbers, f32[K, D], initialized from N(0, 1)."""

    def __init__(self, *, codes: int, dim: int, rngs: nnx.Rngs):
        check_positive(codes=codes, dim=dim)
        self.table = nnx.Param(jax.random.normal(rngs.params(), (codes, dim)))


class CodebookHead(Head):
    """Codebook head: an example as a sparse combination of shared codes (FDT).

    With queries q_n of the tokens and codes C_k in R^D,

        r_nk = q_n·C_k / (D^1/2 T),   m_k = pool_n r_nk,   a = sparsemax(m),   f = Σ_k a_k C_k.

    Tokens that are padding take no part (in the authors' code they enter the maximum as 0). A
    support of one code sends no gradient to m, so T must be large enough for the spread of m to be
    well under 1. `softmax` in place of sparsemax, or `sigmoid` divided by its sum. Of the scores
    [B, T, K] only one token's exist at a time, in the gradient too.

    Args:
      codebook: its name; heads with one name share one codebook.
      codes: K.
      dim: D, of queries, codes and the joint space.
      temperature: T; the paper has 1000 for K = 16,384 and D = 512.
      activation: to the simplex of codes.
      pool: over tokens.
      skip: how many tokens at the start are left out, such as 1 for [CLS].
      width: W, of the encoder's tokens.
      dtype: of the query map's products.
      rngs: for the initial parameters.
    """

    reads_encoding = True

    def __init__(
        self,
        *,
        codebook: str = "codebook",
        codes: Count,
        dim: Count,
        temperature: Factor = 1000.0,
        activation: Simplex = "sparsemax",
        pool: Pooling = "max",
        skip: CountOrZero = 0,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(codes=codes, dim=dim)
        check_choice("activation", activation, Simplex)
        check_choice("pool", pool, Pooling)
        _check_skip(skip)
        if not temperature > 0:
            raise EncoderError(f"temperature={temperature} of a codebook head has to be positive")
        self.codebook, self.codes, self.dim, self.skip = codebook, codes, dim, skip
        self.scale, self.activation, self.pool = 1 / (dim**0.5 * temperature), activation, pool
        self.query = QueryMap(width=width, dim=dim, dtype=dtype, rngs=rngs)

    def weights(self, encoding: Encoding, table: jax.Array) -> jax.Array:
        """a, f32[B, K]: rows that are >= 0 and sum to 1."""
        tokens, mask = _tokens(encoding, self.skip)
        queries = self.scale * self.query(tokens)
        if self.pool == "max":
            m = max_product(queries, table, mask)
        else:  # pooling and product commute
            m = pool_tokens(queries, mask, self.pool) @ table.T
        if self.activation == "sparsemax":
            return sparsemax(m)
        if self.activation == "softmax":
            return jax.nn.softmax(m, axis=-1)
        a = jax.nn.sigmoid(m)
        return a / a.sum(-1, keepdims=True)

    def __call__(
        self, encoding: Encoding, shared: Mapping[str, Codebook], *, train: bool = False
    ) -> jax.Array:
        table: jax.Array = shared[self.codebook].table[...]
        return self.weights(encoding, table) @ table


def codebooks(heads: Iterable[Head], rngs: nnx.Rngs) -> nnx.Dict[Codebook]:
    """The codebooks that some heads name, one module for each name.

    Raises:
      EncoderError: when two heads want different sizes of one codebook.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for head in heads:
        if not isinstance(head, CodebookHead):
            continue
        size = (head.codes, head.dim)
        if sizes.setdefault(head.codebook, size) != size:
            raise EncoderError(
                f"codebook {head.codebook!r} is {sizes[head.codebook]} (codes, dim) for one head "
                f"and {size} for another: heads that share it need equal sizes"
            )
    return nnx.Dict(
        {name: Codebook(codes=k, dim=d, rngs=rngs) for name, (k, d) in sorted(sizes.items())}
    )


def _check_skip(skip: int) -> None:
    if skip < 0:
        raise EncoderError(f"skip={skip} of a head that reads tokens is negative: give 0 for none")


def _tokens(encoding: Encoding, skip: int) -> tuple[jax.Array, jax.Array]:
    """The tokens from `skip` on, f[B, T, W], and which are there, bool[B, T]."""
    if encoding.tokens is None:
        raise EncoderError("this head reads tokens, but the encoder gives only a pooled vector")
    count = encoding.tokens.shape[1]
    if skip >= count:
        raise EncoderError(f"skip={skip} leaves none of the encoder's {count} tokens")
    tokens = encoding.tokens[:, skip:]
    mask = encoding.mask
    return tokens, jnp.ones(tokens.shape[:2], bool) if mask is None else mask[:, skip:]


@jax.custom_vjp
def max_product(queries: jax.Array, table: jax.Array, mask: jax.Array) -> jax.Array:
    """max over the tokens n that are there of q_n·C_k: f[B,T,D], f[K,D], bool[B,T] -> f32[B,K].

    A row without tokens gives 0. Token by token, forwards and backwards; the gradient goes to the
    first token that reaches the maximum.
    """
    return _max_forward(queries, table, mask)[0]


def _max_forward(queries: jax.Array, table: jax.Array, mask: jax.Array) -> tuple[jax.Array, Saved]:
    def step(carry: Saved, token: tuple[jax.Array, jax.Array]) -> tuple[Saved, None]:
        best, where, number = carry
        q, there = token
        s = jnp.where(there[:, None], jnp.einsum("bd,kd->bk", q, table), -jnp.inf)
        better = s > best
        return (jnp.where(better, s, best), jnp.where(better, number, where), number + 1), None

    shape = (len(queries), len(table))
    start = (jnp.full(shape, -jnp.inf), jnp.full(shape, -1, jnp.int32), jnp.int32(0))
    tokens = (jnp.swapaxes(queries, 0, 1), mask.T)
    (best, where, _), _ = jax.lax.scan(step, start, tokens)
    return jnp.where(where >= 0, best, 0.0), (queries, table, where)


def _max_backward(saved: Saved, g: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    queries, table, where = saved

    def step(d_table: jax.Array, token: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        q, number = token
        own = jnp.where(where == number, g, 0.0)
        return d_table + own.T @ q, own @ table

    numbers = jnp.arange(queries.shape[1], dtype=jnp.int32)
    d_table, d_queries = jax.lax.scan(
        step, jnp.zeros_like(table), (jnp.swapaxes(queries, 0, 1), numbers)
    )
    return jnp.swapaxes(d_queries, 0, 1), d_table, None


max_product.defvjp(_max_forward, _max_backward)


@jax.custom_vjp
def sparsemax(z: jax.Array) -> jax.Array:
    """The point of the simplex nearest to z, over the last axis (Martins and Astudillo 2016).

    With z sorted downwards and k the largest j with 1 + j z_(j) > Σ_{l<=j} z_(l), it is max(z - τ,
    0) for τ = (Σ_{l<=k} z_(l) - 1) / k.
    """
    return _sparsemax_forward(z)[0]


def _sparsemax_forward(z: jax.Array) -> tuple[jax.Array, jax.Array]:
    ordered = -jnp.sort(-z, axis=-1)
    total = jnp.cumsum(ordered, axis=-1)
    count = jnp.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    size = (1 + count * ordered > total).sum(-1, keepdims=True)
    tau = (jnp.take_along_axis(total, size - 1, axis=-1) - 1) / size
    value = jnp.maximum(z - tau, 0.0)
    return value, value > 0


def _sparsemax_backward(support: jax.Array, g: jax.Array) -> tuple[jax.Array]:
    kept = jnp.where(support, g, 0.0)
    mean = kept.sum(-1, keepdims=True) / support.sum(-1, keepdims=True)
    return (jnp.where(support, kept - mean, 0.0),)


sparsemax.defvjp(_sparsemax_forward, _sparsemax_backward)

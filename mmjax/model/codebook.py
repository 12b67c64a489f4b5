"""Heads on tokens: a query map with pooling, and a codebook that all modalities share.

Chen et al. 2023, Revisiting Multimodal Representation in Contrastive Learning: From Patch and Token
Embeddings to Finite Discrete Tokens (FDT), arXiv 2303.14865; and, where the codes are words, Li et
al. 2024, Unified Lexical Representation for Interpretable Visual-Language Alignment (LexVLA), arXiv
2407.17827.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.encoders.tokens import pool_tokens
from mmjax.model.base import Head
from mmjax.schema.bounds import Count, CountOrZero, Factor

Pooling = Literal["max", "mean", "sum"]
Saved = tuple[jax.Array, jax.Array, jax.Array]
Activation = Literal["sparsemax", "softmax", "sigmoid", "log1p"]
Query = Literal["map", "residual", "none"]


class QueryMap(nnx.Module):
    """Layer norm, linear, GELU, layer norm, linear: f[B, T, W] -> f32[B, T, dim].

    As a `residual` the tokens are added, and the last layer starts at 0.
    """

    def __init__(
        self, *, width: int, dim: int, residual: bool = False, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.width, self.residual = width, residual
        options: dict[str, Any] = {
            "dtype": dtype,
            "preferred_element_type": jnp.float32,
            "rngs": rngs,
        }
        he, xavier = nnx.initializers.he_normal(), nnx.initializers.xavier_normal()
        last = nnx.initializers.zeros if residual else xavier
        self.first_norm = nnx.LayerNorm(width, dtype=jnp.float32, rngs=rngs)
        self.first = nnx.Linear(width, dim, kernel_init=he, **options)
        self.second_norm = nnx.LayerNorm(dim, dtype=jnp.float32, rngs=rngs)
        self.second = nnx.Linear(dim, dim, kernel_init=last, **options)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        if tokens.shape[-1] != self.width:
            raise EncoderError(
                f"tokens of {tokens.shape[-1]} numbers for a head that reads tokens and was built "
                f"for the {self.width} of the encoder's pooled vector: choose a pooling that keeps "
                "their width, such as pool='mean'"
            )
        tokens = tokens.astype(jnp.float32)
        x = self.first(self.first_norm(tokens))
        x = self.second(self.second_norm(ACTIVATIONS["gelu"](x))).astype(jnp.float32)
        return tokens + x if self.residual else x


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
    """A codebook: K learned codes of D numbers, f32[K, D], from N(0, 1) or as it `start`s."""

    def __init__(self, *, codes: int, dim: int, start: jax.Array | None = None, rngs: nnx.Rngs):
        check_positive(codes=codes, dim=dim)
        drawn = jax.random.normal(rngs.params(), (codes, dim))
        # A copy: it trains by itself.
        self.table = nnx.Param(drawn if start is None else jnp.array(start, jnp.float32))


class CodebookHead(Head):
    """Codebook head: an example as a sparse combination of shared codes (FDT).

    With queries q_n of the tokens and codes C_k in R^D,

        r_nk = q_n·C_k / (D^1/2 T),   m_k = pool_n r_nk,   a = sparsemax(m),   f = Σ_k a_k C_k.

    Tokens that are padding take no part (in the authors' code they enter the maximum as 0). A
    support of one code sends no gradient to m, so T must be large enough for the spread of m to be
    well under 1. `softmax` in place of sparsemax, or `sigmoid` divided by its sum. Of the scores
    [B, T, K] only one token's exist at a time, in the gradient too.

    With output='codes' the embedding is a itself. Where the codes are words (`tokens_of`) and
    a = log(1 + max(m, 0)) (`log1p`), a similarity is then a sum of what each word contributes: a
    lexical representation (LexVLA; the activation is SPLADE's, Formal et al. 2021, arXiv
    2107.05720). It may be 0 in all words, and then so is its unit vector.

    Args:
      codebook: its name; heads with one name share one codebook.
      codes: K.
      dim: D, of queries and codes.
      tokens_of: a tower whose table of token vectors, K of D numbers, the codebook starts as, the
        pretrained one where it has weights; None draws it. To keep it, freeze
        'codebooks/<name>/table'.
      query: q of a token: the `map` of LN, linear, GELU, LN, linear; `residual`, the token and that
        map, whose last layer starts at 0; `none`, the token. The last two need W = D.
      output: `embedding` f, or `codes` a.
      temperature: T; the paper has 1000 for K = 16,384 and D = 512.
      activation: of m: to the simplex of codes, or `log1p`, codes of any sum.
      pool: over tokens.
      skip: how many tokens at the start are left out, such as 1 for [CLS].
      width: W, of the encoder's tokens.
      dtype: of the query map's products.
      rngs: for the initial parameters.
    """

    reads_encoding = True
    reads_codebook = True

    def __init__(
        self,
        *,
        codebook: str = "codebook",
        codes: Count,
        dim: Count,
        tokens_of: str | None = None,
        query: Query = "map",
        output: Literal["embedding", "codes"] = "embedding",
        temperature: Factor = 1000.0,
        activation: Activation = "sparsemax",
        pool: Pooling = "max",
        skip: CountOrZero = 0,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(codes=codes, dim=dim)
        check_choice("activation", activation, Activation)
        check_choice("query", query, Query)
        check_choice("pool", pool, Pooling)
        _check_skip(skip)
        if not temperature > 0:
            raise EncoderError(f"temperature={temperature} of a codebook head has to be positive")
        if query != "map" and width != dim:
            raise EncoderError(
                f"query={query!r} of a codebook head needs tokens of dim={dim} numbers, and the "
                f"encoder's have {width}"
            )
        self.codebook, self.codes, self.code_dim, self.skip = codebook, codes, dim, skip
        self.dim, self.output = codes if output == "codes" else dim, output
        self.tokens_of = tokens_of
        self.scale, self.activation, self.pool = 1 / (dim**0.5 * temperature), activation, pool
        residual = query == "residual"
        self.query = (
            None
            if query == "none"
            else QueryMap(width=width, dim=dim, residual=residual, dtype=dtype, rngs=rngs)
        )

    def weights(self, encoding: Encoding, table: jax.Array) -> jax.Array:
        """a, f32[B, K]: rows that are >= 0 and, but for `log1p`, sum to 1."""
        tokens, mask = _tokens(encoding, self.skip)
        queries = tokens.astype(jnp.float32) if self.query is None else self.query(tokens)
        queries = self.scale * queries
        if self.pool == "max":
            m = max_product(queries, table, mask)
        else:  # pooling and product commute
            m = pool_tokens(queries, mask, self.pool) @ table.T
        if self.activation == "sparsemax":
            return sparsemax(m)
        if self.activation == "softmax":
            return jax.nn.softmax(m, axis=-1)
        if self.activation == "log1p":
            return jnp.log1p(jax.nn.relu(m))
        a = jax.nn.sigmoid(m)
        return a / a.sum(-1, keepdims=True)

    def __call__(
        self, encoding: Encoding, shared: Mapping[str, Codebook], *, train: bool = False
    ) -> jax.Array:
        table: jax.Array = shared[self.codebook].table[...]
        a = self.weights(encoding, table)
        return a if self.output == "codes" else a @ table


def codebooks(
    heads: Iterable[Head], rngs: nnx.Rngs, encoders: Mapping[str, Encoder] | None = None
) -> nnx.Dict[Codebook]:
    """The codebooks that some heads name, one module for each name.

    Args:
      heads: of all towers.
      rngs: for the initial parameters.
      encoders: of the towers, by name, whose tables of tokens `tokens_of` may name.

    Raises:
      EncoderError: when two heads want different codebooks of one name, or one starts as a table
        that is not there or has another size.
    """
    sizes: dict[str, tuple[int, int, str | None]] = {}
    for head in heads:
        if not head.reads_codebook:
            continue
        size = (head.codes, head.code_dim, head.tokens_of)
        if sizes.setdefault(head.codebook, size) != size:
            raise EncoderError(
                f"codebook {head.codebook!r} is {sizes[head.codebook]} (codes, dim, tokens_of) for "
                f"one head and {size} for another: heads that share it need equal ones"
            )
    return nnx.Dict(
        {
            name: Codebook(codes=k, dim=d, start=_tokens_of(of, (k, d), encoders or {}), rngs=rngs)
            for name, (k, d, of) in sorted(sizes.items())
        }
    )


def _tokens_of(
    tower: str | None, size: tuple[int, int], encoders: Mapping[str, Encoder]
) -> jax.Array | None:
    """The token vectors f32[K, D] of a tower."""
    if tower is None:
        return None
    table: nnx.Param[jax.Array] | None = getattr(encoders.get(tower), "token", None)
    if table is None:
        raise EncoderError(f"tokens_of={tower!r} of a codebook head is no tower with token vectors")
    if table.shape != size:
        raise EncoderError(
            f"tokens_of={tower!r} of a codebook head: the tower has {table.shape[0]} token vectors "
            f"of {table.shape[1]} numbers, and the head codes={size[0]} and dim={size[1]}"
        )
    start: jax.Array = table[...]
    return start


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

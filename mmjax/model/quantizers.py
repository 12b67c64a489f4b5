"""Quantizing heads: an embedding is one of finitely many codes, with straight-through gradients.

The head gives z, `nearest` the code e of z, and a tower's embedding is e with the gradient of z:
sg(e) + z - sg(z) (Bengio et al. 2013, arXiv 1308.3432). Terms find both in `Embedding.quantized`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.model.base import Head
from mmjax.model.codebook import Codebook
from mmjax.schema.bounds import Count


class _Quantizer(Head):
    """A linear layer to z, f[B, W] -> f32[B, dim]."""

    quantizes = True

    def __init__(self, *, dim: Count, width: int, dtype: DTypeLike, rngs: nnx.Rngs):
        self.dim = dim
        self.project = nnx.Linear(
            width, dim, dtype=dtype, preferred_element_type=jnp.float32, rngs=rngs
        )

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return self.project(x).astype(jnp.float32)


class LookupFreeQuantizer(_Quantizer):
    """Lookup-free quantization: an embedding of signs, f[B, W] -> f32[B, dim] of ±1.

    z = tanh(x P + b), and its code e has the sign of each number, 1 bit, so there are 2^dim codes
    without a table: cosines order answers as Hamming distances do. LFQ of MAGVIT-v2 (Yu et al.
    2024, arXiv 2310.05737).

    Args:
      dim: bits.
      width: W, of the encoder.
      dtype: of the product; the result is float32.
      rngs: for the initial parameters.
    """

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return jnp.tanh(super().__call__(x))

    def nearest(self, z: jax.Array, shared: Any) -> jax.Array:
        return jnp.where(z > 0, 1.0, -1.0)


class VectorQuantizer(_Quantizer):
    """Vector quantization: an embedding is the nearest code of a table, f[B, W] -> f32[B, dim].

    z = x P + b, and e its nearest code in Euclidean distance, the first of equally near ones; all
    heads with one codebook share it. The code of a row gets a gradient only by the term
    `code_regularizer` with measure='commitment' (VQ-VAE, van den Oord et al. 2017, arXiv
    1711.00937). All B x K distances are held in memory.

    Args:
      dim: numbers of each code.
      codes: K.
      codebook: its name; heads with one name share one codebook.
      width: W, of the encoder.
      dtype: of the product; the result is float32.
      rngs: for the initial parameters.
    """

    reads_codebook = True

    def __init__(
        self,
        *,
        dim: Count,
        codes: Count,
        codebook: str = "codebook",
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        super().__init__(dim=dim, width=width, dtype=dtype, rngs=rngs)
        self.codes, self.code_dim, self.codebook = codes, dim, codebook

    def nearest(self, z: jax.Array, shared: Mapping[str, Codebook]) -> jax.Array:
        table: jax.Array = shared[self.codebook].table[...]
        squares = (table**2).sum(-1) - 2 * jnp.einsum("bd,kd->bk", z, table, precision="highest")
        chosen: jax.Array = table[squares.argmin(-1)]
        return chosen

"""Quantizing heads: an embedding is one of finitely many codes, with straight-through gradients.

The head gives z, `nearest` the code e of z, and a tower's embedding is e with the gradient of z:
sg(e) + z - sg(z) (Bengio et al. 2013, arXiv 1308.3432). Terms find both in `Embedding.quantized`.
Codes have numbers from 0 on, of an example or, with `tokens`, of each of its tokens; further heads
of the tower with level='codes' read the codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError
from mmjax.model.base import Head
from mmjax.model.codebook import Codebook
from mmjax.schema.bounds import Bounds, Count

Levels = Annotated[int, Bounds(ge=2)]
MOST = 2**24  # codes whose numbers are exact in float32


class _Quantizer(Head):
    """A linear layer to z, f[B, W] -> f32[B, dim], or with `tokens` of every token."""

    quantizes = True

    def __init__(self, *, dim: Count, tokens: bool, width: int, dtype: DTypeLike, rngs: nnx.Rngs):
        self.dim, self.takes_tokens, self.mean_of_tokens = dim, tokens, tokens
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
      tokens: every token has a code, and the embedding is the mean of these.
      width: W, of the encoder.
      dtype: of the product; the result is float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self, *, dim: Count, tokens: bool = False, width: int, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        super().__init__(dim=dim, tokens=tokens, width=width, dtype=dtype, rngs=rngs)
        self.codes = 2**dim

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return jnp.tanh(super().__call__(x))

    def nearest(self, z: jax.Array, shared: Any) -> jax.Array:
        return jnp.where(z > 0, 1.0, -1.0)

    def numbers(self, z: jax.Array, shared: Any) -> jax.Array:
        return _mixed_radix((z > 0).astype(jnp.int32), (2,) * self.dim)


class FiniteScalarQuantizer(_Quantizer):
    """Finite scalar quantization: every number has few levels, f[B, W] -> f32[B, dims].

    z_k = tanh(x P + b)_k (L_k - 1) / 2, and its code has the nearest of L_k levels 1 apart, centred
    at 0, in each number: -1, 0, 1 for L = 3. There are Π L_k codes without a table, and no term has
    to keep them in use (Mentzer et al. 2024, arXiv 2309.15505, whose levels of an even L are
    shifted by a half). Code (d_1, d_2, ...) of digits 0 .. L_k - 1 has the number
    d_1 + L_1 (d_2 + L_2 (d_3 + ...)).

    Args:
      levels: L_k of each number.
      tokens: every token has a code, and the embedding is the mean of these.
      width: W, of the encoder.
      dtype: of the product; the result is float32.
      rngs: for the initial parameters.

    Raises:
      EncoderError: without a number, or for more than 2^24 codes.
    """

    def __init__(
        self,
        *,
        levels: tuple[Levels, ...],
        tokens: bool = False,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if not levels or min(levels) < 2 or math.prod(levels) > MOST:
            raise EncoderError(
                f"levels={levels} of a head of type 'fsq': give one number or more, each at least "
                f"2, with a product of at most {MOST:,}"
            )
        super().__init__(dim=len(levels), tokens=tokens, width=width, dtype=dtype, rngs=rngs)
        self.levels, self.codes = tuple(levels), math.prod(levels)

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return jnp.tanh(super().__call__(x)) * self._half

    def nearest(self, z: jax.Array, shared: Any) -> jax.Array:
        return self._digits(z).astype(jnp.float32) - self._half

    def numbers(self, z: jax.Array, shared: Any) -> jax.Array:
        return _mixed_radix(self._digits(z), self.levels)

    @property
    def _half(self) -> jax.Array:
        """f32[dims], the largest level of each number."""
        return (jnp.asarray(self.levels, jnp.float32) - 1) / 2

    def _digits(self, z: jax.Array) -> jax.Array:
        """i32[..., dims], the place of the nearest level."""
        # The half goes up; a saturated tanh is exactly the last level.
        return jnp.floor(z + self._half + 0.5).astype(jnp.int32)


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
      tokens: every token has a code, and the embedding is the mean of these.
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
        tokens: bool = False,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        super().__init__(dim=dim, tokens=tokens, width=width, dtype=dtype, rngs=rngs)
        self.codes, self.code_dim, self.codebook = codes, dim, codebook

    def nearest(self, z: jax.Array, shared: Mapping[str, Codebook]) -> jax.Array:
        chosen: jax.Array = shared[self.codebook].table[...][self.numbers(z, shared)]
        return chosen

    def numbers(self, z: jax.Array, shared: Mapping[str, Codebook]) -> jax.Array:
        table: jax.Array = shared[self.codebook].table[...]
        products = jnp.einsum("...d,kd->...k", z, table, precision="highest")
        return ((table**2).sum(-1) - 2 * products).argmin(-1).astype(jnp.int32)


def _mixed_radix(digits: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """i32[...] of digits i32[..., dims], the first of which counts ones."""
    found = jnp.zeros(digits.shape[:-1], jnp.int32)
    for place in reversed(range(len(levels))):
        found = found * levels[place] + digits[..., place]
    return found

"""A bag of tokens, or of short runs of them: the smallest text tower that is worth training."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import (
    Encoder,
    EncoderError,
    Encoding,
    check_choice,
    check_positive,
    check_rate,
)
from mmjax.encoders.layers import dropout, dropout_key
from mmjax.encoders.text import check_ids, real_positions
from mmjax.parallel.layout import rows, whole
from mmjax.schema.bounds import BelowOne, Count, CountOrZero

BagPool = Literal["mean", "sum", "max", "concat"]


class BagOfTokens(Encoder):
    """Token ids i32[B, T] -> pooled f[B, W] and tokens f[B, T, W], by an MLP of each run of tokens.

    Every token is a vector. At each real position those of `window` tokens from there on stand side
    by side, zero behind the end of the text; linear layers with GELU between them make W numbers
    of them, and these are pooled over the real positions. With `window=1` and no hidden layer it is
    a bag of words (fastText: Joulin et al. 2016, arXiv 1607.01759); with more it sees short runs,
    n-grams, but no order of them.

    Args:
      vocab_size: number of token ids.
      length: the longest text, in tokens; shorter batches are fine.
      embedding: size of the vector of each id.
      window: tokens of a run.
      hidden: widths of the hidden layers.
      width: W, what each position gives; None gives the run of vectors itself, without a layer.
      pool: `mean`, `sum` or `max` over positions; `concat` keeps them side by side, `length` * W
        numbers, zero at padding, so that a head sees the order.
      pad_id: the id of padding, which is seen by nothing.
      eos_id: the id that ends a text. Where it equals `pad_id`, the first one of a row is real.
      dropout: rate after the embeddings.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        vocab_size: Count,
        length: Count,
        embedding: Count = 64,
        window: Count = 1,
        hidden: tuple[Count, ...] = (),
        width: Count | None = 64,
        pool: BagPool = "mean",
        pad_id: CountOrZero = 0,
        eos_id: CountOrZero = 3,
        dropout: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(vocab_size=vocab_size, length=length, embedding=embedding, window=window)
        if width is None and hidden:
            raise EncoderError(f"hidden={hidden} of a bag_of_tokens with width=None, of no layers")
        sizes = (window * embedding, *hidden, *(() if width is None else (width,)))
        check_positive(width=sizes[-1])
        check_choice("pool", pool, BagPool)
        check_rate("dropout", dropout)
        self.length, self.window, self.pool, self.dropout = length, window, pool, dropout
        self.pad_id, self.eos_id, self.dtype = pad_id, eos_id, dtype
        self.width = sizes[-1] * length if pool == "concat" else sizes[-1]
        self.token_width = sizes[-1]
        start = nnx.initializers.normal(1.0)
        self.token = nnx.Param(start(rngs.params(), (vocab_size, embedding), jnp.float32))
        self.layers = nnx.List(
            [nnx.Linear(a, b, dtype=dtype, rngs=rngs) for a, b in pairwise(sizes)]
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes token ids, every one below `vocab_size` (another gives NaN).

        A row without a real position gives zeros.
        """
        check_ids(x, self.length)
        real = real_positions(x, self.pad_id, self.eos_id)
        y = jnp.take(whole(self.token[...]), x, axis=0).astype(self.dtype)
        y = rows(dropout(y, self.dropout, dropout_key(rngs, train, self.dropout)))
        y = jnp.where(real[:, :, None], y, 0)
        ahead = jnp.pad(y, ((0, 0), (0, self.window - 1), (0, 0)))
        y = jnp.concatenate([ahead[:, k : k + x.shape[1]] for k in range(self.window)], axis=-1)
        for number, layer in enumerate(self.layers):
            y = layer(jax.nn.gelu(y, approximate=False) if number else y)
        y = jnp.where(real[:, :, None], y, 0)
        return Encoding(self._pooled(y, real), y, real)

    def _pooled(self, y: jax.Array, real: jax.Array) -> jax.Array:
        if self.pool == "concat":
            spare = self.length - y.shape[1]
            return jnp.pad(y, ((0, 0), (0, spare), (0, 0))).reshape(len(y), -1)
        if self.pool == "sum":
            return y.sum(axis=1, dtype=jnp.float32).astype(y.dtype)
        return (pooling.mean if self.pool == "mean" else pooling.largest)(y, real)

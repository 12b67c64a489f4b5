"""A bidirectional GRU over characters with attention pooling for every feature.

Merkx and Frank 2019, "Learning semantic sentence representations from visually grounded language
without lexical knowledge" (arXiv 1903.11393), section 3. Their setting is

    vocab_size=100, embedding=20, hidden=1024, attention=128   (heads=1 for COCO, 2 for Flickr8k)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, Encoding, check_positive, check_rate
from mmjax.encoders.layers import dropout, dropout_key
from mmjax.encoders.text import check_ids, real_positions
from mmjax.parallel.layout import rows, whole
from mmjax.schema.bounds import BelowOne, Count, CountOrZero


class TextGRU(Encoder):
    """Token ids i32[B, T] -> pooled f[B, 2 hidden heads] and tokens f[B, T, 2 hidden].

    The GRU of Cho et al. 2014 in the form of cuDNN, in both directions, with h = 0 before the first
    and after the last real position:

        r, z = sigmoid(W x + b + U h + c)        (of r, of z)
        n = tanh(W x + b + r (U h + c))
        h' = (1 - z) n + z h

    Pooling weighs every feature of every position by itself, a = softmax over the real positions t
    of V tanh(U h_t + b) + c, and gives sum_t a_t h_t; the heads stand side by side.

    Args:
      vocab_size: number of token ids.
      length: the longest text, in tokens; shorter batches are fine.
      embedding: size of the vector of each id.
      hidden: units in each direction.
      attention: hidden units of the pooling's MLP.
      heads: number of poolings.
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
        length: Count = 300,
        embedding: Count = 20,
        hidden: Count = 1024,
        attention: Count = 128,
        heads: Count = 1,
        pad_id: CountOrZero = 0,
        eos_id: CountOrZero = 3,
        dropout: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(
            vocab_size=vocab_size,
            length=length,
            embedding=embedding,
            hidden=hidden,
            attention=attention,
            heads=heads,
        )
        check_rate("dropout", dropout)
        self.length, self.pad_id, self.eos_id = length, pad_id, eos_id
        self.hidden, self.heads, self.dropout, self.dtype = hidden, heads, dropout, dtype
        self.width, self.token_width = 2 * hidden * heads, 2 * hidden
        start = nnx.initializers.normal(1.0)
        self.token = nnx.Param(start(rngs.params(), (vocab_size, embedding), jnp.float32))
        self.forward_gru = _GRU(embedding, hidden, dtype=dtype, rngs=rngs)
        self.backward_gru = _GRU(embedding, hidden, dtype=dtype, rngs=rngs)
        self.score = nnx.Linear(2 * hidden, attention * heads, dtype=dtype, rngs=rngs)
        bound = jax.nn.initializers.lecun_uniform(in_axis=1, out_axis=2, batch_axis=0)
        self.weigh = nnx.Param(bound(rngs.params(), (heads, attention, 2 * hidden), jnp.float32))
        self.weigh_bias = nnx.Param(jnp.zeros((heads, 2 * hidden), jnp.float32))

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
        tokens = jnp.concatenate(
            [self.forward_gru(y, real), self.backward_gru(y, real, reverse=True)], axis=-1
        )
        return Encoding(self._pool(tokens, real), tokens, real)

    def _pool(self, tokens: jax.Array, real: jax.Array) -> jax.Array:
        batch, length, _ = tokens.shape
        hidden = jnp.tanh(self.score(tokens)).reshape(batch, length, self.heads, -1)
        scores = (
            jnp.einsum(
                "btna,naw->btnw",
                hidden,
                self.weigh[...].astype(self.dtype),
                preferred_element_type=jnp.float32,
            )
            + self.weigh_bias[...]
        )
        weights = jax.nn.softmax(scores, axis=1, where=real[:, :, None, None])
        # Where no position is real there is nothing to weigh, and 0 / 0 otherwise.
        weights = jnp.where(real[:, :, None, None], weights, 0.0)
        pooled = jnp.einsum("btnw,btw->bnw", weights, tokens.astype(jnp.float32))
        return pooled.reshape(batch, self.width).astype(self.dtype)


class _GRU(nnx.Module):
    """One direction, f[B, T, E] and bool[B, T] -> f[B, T, H], zero at positions not real."""

    def __init__(self, inputs: int, hidden: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.hidden, self.dtype = hidden, dtype
        bound = hidden**-0.5

        def uniform(*shape: int) -> nnx.Param[jax.Array]:
            values = jax.random.uniform(rngs.params(), shape, jnp.float32, -bound, bound)
            return nnx.Param(values)

        self.input_kernel, self.input_bias = uniform(inputs, 3 * hidden), uniform(3 * hidden)
        self.state_kernel, self.state_bias = uniform(hidden, 3 * hidden), uniform(3 * hidden)

    def __call__(self, x: jax.Array, real: jax.Array, *, reverse: bool = False) -> jax.Array:
        kernel, bias = self.state_kernel[...].astype(self.dtype), self.state_bias[...]
        # Of all positions at once: what is left for the loop is the part that needs the state.
        given = x @ self.input_kernel[...].astype(self.dtype) + self.input_bias[...]

        def step(h: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            given, real = now
            own = h.astype(self.dtype) @ kernel + bias
            (gr, gz, gn), (hr, hz, hn) = jnp.split(given, 3, -1), jnp.split(own, 3, -1)
            r, z = jax.nn.sigmoid(gr + hr), jax.nn.sigmoid(gz + hz)
            new = (1 - z) * jnp.tanh(gn + r * hn) + z * h
            h = jnp.where(real[:, None], new, h)
            return h, jnp.where(real[:, None], h, 0).astype(self.dtype)

        start = jnp.zeros((x.shape[0], self.hidden), jnp.float32)
        times = (given.astype(jnp.float32).swapaxes(0, 1), real.T)
        _, states = jax.lax.scan(step, start, times, reverse=reverse)
        return states.swapaxes(0, 1)

"""A residual MLP from one long vector to the tokens of another model: brain activity to images."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.layers import ACTIVATIONS, dropout, dropout_key, fold_in, layer_norm
from mmjax.schema.bounds import BelowOne, Count, CountOrZero


class ResidualMLP(Encoder):
    """A residual MLP, f[B, N] -> pooled f[B, T W], tokens f[B, T, W].

    With f = dropout(GELU(norm(linear))), x = f(input) of `hidden` numbers, and then in each of
    `depth` blocks x + f(x); a linear layer makes T tokens of W numbers of it. With `projector` each
    token b goes through GELU(norm(b)) and linear layers with norm and GELU between them, the same
    for all. `pooled` are the tokens side by side. The backbone and projector of MindEye (Scotti et
    al. 2023, arXiv 2305.18274). Kernels are LeCun-normal, biases zero.

    Args:
      inputs: N.
      hidden: numbers of x.
      depth: blocks.
      tokens: T.
      width: W, of each token.
      projector: widths of the hidden layers of the projector; () for none.
      first_dropout: rate after the first layer.
      dropout: rate in the blocks.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        inputs: Count,
        hidden: Count = 4096,
        depth: CountOrZero = 4,
        tokens: Count = 1,
        width: Count = 768,
        projector: tuple[Count, ...] = (),
        first_dropout: BelowOne = 0.5,
        dropout: BelowOne = 0.15,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(inputs=inputs, hidden=hidden, tokens=tokens, width=width)
        check_rate("first_dropout", first_dropout)
        check_rate("dropout", dropout)
        self.inputs, self.tokens, self.width, self.token_width = (
            inputs,
            tokens,
            tokens * width,
            width,
        )
        self.rates = (first_dropout, *[dropout] * depth)

        def linear(a: int, b: int) -> nnx.Linear:
            return nnx.Linear(a, b, dtype=dtype, rngs=rngs)

        def norm(size: int) -> nnx.LayerNorm:
            return layer_norm(size, eps=1e-5, dtype=dtype, rngs=rngs)

        sizes = (inputs, *[hidden] * (depth + 1))
        self.layers = nnx.List(linear(a, b) for a, b in pairwise(sizes))
        self.norms = nnx.List(norm(hidden) for _ in self.layers)
        self.out = linear(hidden, self.width)
        widths = (width, *projector, width) if projector else ()
        self.projector = nnx.List(linear(a, b) for a, b in pairwise(widths))
        self.projector_norms = nnx.List(norm(size) for size in widths[:-1])

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, N] vectors; see `mmjax.encoders.base`."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise EncoderError(f"vectors of shape {x.shape} where [B, {self.inputs}] is expected")
        gelu, key = ACTIVATIONS["gelu"], dropout_key(rngs, train, max(self.rates))
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            y = gelu(norm(layer(x)))
            y = dropout(y, self.rates[i], None if key is None else fold_in(key, i))
            x = x + y if i else y
        x = self.out(x).reshape(len(x), self.tokens, -1)
        for layer, norm in zip(self.projector, self.projector_norms, strict=True):
            x = layer(gelu(norm(x)))
        return Encoding(jnp.reshape(x, (len(x), self.width)), x)

"""An MLP over vectors: the encoder of feature vectors and of most small experiments."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive, check_rate
from mmjax.encoders.layers import ACTIVATIONS, dropout, dropout_key, fold_in

PlainActivation = Literal["relu", "gelu", "gelu_tanh", "quick_gelu"]


class MLP(nnx.Module):
    """Linear layers with an activation between them (none after the last), f[B, N] -> f[B, W].

    Kernels are He-normal (He et al. 2015, equation 10), biases zero.

    Args:
      inputs: N, the size of the input vector.
      hidden: the widths of the hidden layers; `hidden=(256, 256)` makes three linear layers.
      width: W, the size of the output.
      activation: between the layers.
      dropout: rate after each activation.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        inputs: int,
        hidden: tuple[int, ...] = (256, 256),
        width: int,
        activation: PlainActivation = "relu",
        dropout: float = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(inputs=inputs, width=width)
        check_choice("activation", activation, PlainActivation)
        check_rate("dropout", dropout)
        if any(size < 1 for size in hidden):
            raise EncoderError(f"hidden={tuple(hidden)}: every layer needs at least 1 unit")
        self.inputs, self.width = inputs, width
        self.activation, self.dropout = activation, dropout
        self.layers = nnx.List(
            nnx.Linear(
                fan_in,
                fan_out,
                kernel_init=nnx.initializers.he_normal(),
                dtype=dtype,
                rngs=rngs,
            )
            for fan_in, fan_out in pairwise((inputs, *hidden, width))
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, N] vectors; see `mmjax.encoders.base`."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise EncoderError(f"vectors of shape {x.shape} where [B, {self.inputs}] is expected")
        key = dropout_key(rngs, train, self.dropout)
        for i, layer in enumerate(self.layers[:-1]):
            x = ACTIVATIONS[self.activation](layer(x))
            x = dropout(x, self.dropout, None if key is None else fold_in(key, i))
        return Encoding(self.layers[-1](x))

"""Encoders of vectors: an MLP, and the identity for precomputed features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import (
    Encoder,
    EncoderError,
    Encoding,
    check_choice,
    check_positive,
    check_rate,
)
from mmjax.encoders.layers import ACTIVATIONS, dropout, dropout_key, fold_in
from mmjax.schema.bounds import BelowOne, Count, NonNegative

Init = Literal["he", "normal", "uniform"]
PlainActivation = Literal["relu", "gelu", "gelu_tanh", "quick_gelu"]


class MLP(Encoder):
    """An MLP: linear layers with an activation between them, f[B, N] -> f[B, W].

    Kernels are He-normal (He et al. 2015, equation 10), biases zero; or with `init='uniform'` both
    are uniform within ± fan_in^-1/2, as PyTorch's linear layers are, so that an input of zeros is
    not embedded as zero, which has no direction; or with `init='normal'` kernels are N(0, 1), as
    tables of embeddings are, for inputs that are shares of words.

    Args:
      inputs: N, the size of the input vector.
      hidden: the widths of the hidden layers; `hidden=(256, 256)` makes three linear layers.
      width: W, the size of the output.
      activation: between the layers.
      final_activation: whether it also follows the last layer.
      init: `he`, `uniform` or `normal`.
      cone: length of the last layer's bias at the start, in a random direction. A large one puts
        all embeddings into a narrow cone, as deep towers do by themselves (Liang et al. 2022, Mind
        the Gap, arXiv 2203.02053), and two towers into two.
      dropout: rate after each activation.
      missing: numbers may be missing, as in a table of measurements: NaN becomes 0, and a second
        number beside each one says whether it is missing.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        inputs: Count,
        hidden: tuple[Count, ...] = (256, 256),
        width: Count,
        activation: PlainActivation = "relu",
        final_activation: bool = False,
        init: Init = "he",
        cone: NonNegative = 0.0,
        dropout: BelowOne = 0.0,
        missing: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(inputs=inputs, width=width)
        check_choice("activation", activation, PlainActivation)
        check_choice("init", init, Init)
        check_rate("dropout", dropout)
        if any(size < 1 for size in hidden):
            raise EncoderError(f"hidden={tuple(hidden)}: every layer needs at least 1 unit")
        self.inputs, self.width = inputs, width
        self.activation, self.dropout = activation, dropout
        self.final_activation, self.missing = final_activation, missing
        kernel_init = {
            "he": lambda _: nnx.initializers.he_normal(),
            "normal": lambda _: nnx.initializers.normal(1.0),
            "uniform": _within,
        }[init]
        self.layers = nnx.List(
            nnx.Linear(
                fan_in,
                fan_out,
                kernel_init=kernel_init(fan_in),
                bias_init=_within(fan_in) if init == "uniform" else nnx.initializers.zeros,
                dtype=dtype,
                rngs=rngs,
            )
            for fan_in, fan_out in pairwise((2 * inputs if missing else inputs, *hidden, width))
        )

        last = self.layers[-1].bias
        if cone and last is not None:
            direction = jax.random.normal(rngs.params(), (width,))
            last[...] = cone * direction / jnp.linalg.norm(direction)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, N] vectors; see `mmjax.encoders.base`."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise EncoderError(f"vectors of shape {x.shape} where [B, {self.inputs}] is expected")
        if self.missing:
            lacking = jnp.isnan(x)
            x = jnp.concatenate([jnp.where(lacking, 0, x), lacking.astype(x.dtype)], axis=1)
        key = dropout_key(rngs, train, self.dropout)
        for i, layer in enumerate(self.layers[:-1]):
            x = ACTIVATIONS[self.activation](layer(x))
            x = dropout(x, self.dropout, None if key is None else fold_in(key, i))
        x = self.layers[-1](x)
        if self.final_activation:
            x = ACTIVATIONS[self.activation](x)
        return Encoding(x)


class Identity(Encoder):
    """The identity, for precomputed features of a frozen model, f[B, N] -> f[B, N].

    Args:
      inputs: N, the size of the vectors.
      dtype, rngs: not needed; encoders are given them.
    """

    def __init__(self, *, inputs: Count, dtype: DTypeLike, rngs: nnx.Rngs):
        del dtype, rngs
        check_positive(inputs=inputs)
        self.inputs = self.width = inputs

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Hands f[B, N] on; see `mmjax.encoders.base`."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise EncoderError(f"vectors of shape {x.shape} where [B, {self.inputs}] is expected")
        return Encoding(x)


def _within(fan_in: int) -> nnx.Initializer:
    """Uniform within ± fan_in^-1/2."""

    def init(
        key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32, out_sharding: Any = None
    ) -> jax.Array:
        bound = fan_in**-0.5
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init

"""An MLP as a projection head."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS, counted
from mmjax.encoders.mlp import PlainActivation
from mmjax.model.base import Head
from mmjax.schema.bounds import Count, Repeats

HeadNorm = Literal["none", "layer", "batch"]


class MLPHead(Head):
    """An MLP projection head, with norm and activation between layers, f[B, W] -> f32[B, dim].

    The projector of SimCLR, BYOL and their kin. `layers=2, norm='batch'` is BYOL's:
    linear, batch norm, ReLU, linear.

    Args:
      dim: size of the output.
      hidden: width of the layers before the last.
      layers: number of linear layers, at least 2.
      norm: after each linear layer but the last: `none`, `layer` or `batch`.
      final_norm: the same norm, without activation, after the last layer too (SimSiam, Barlow):
        whole (`True`), with its scale alone (`no_bias`) or with neither (`no_affine`). Rows where
        the call's `present` bool[B] is False count in no statistics of the batch.
      activation: between the layers.
      norm_last: the norm follows the activation in place of preceding it.
      bias: biases in the linear layers.
      tokens: every token of the encoder goes through it by itself, and the embedding is the mean of
        those that are there, before the division by its norm; for terms that compare parts. The
        statistics of a batch norm are then over tokens, of all devices (the image projector of
        Boecking et al. 2022, arXiv 2204.09817, BioViL).
      width: W, of the encoder.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    reads_present = True

    def __init__(
        self,
        *,
        dim: Count,
        hidden: Count,
        layers: Repeats = 2,
        norm: HeadNorm = "none",
        final_norm: bool | Literal["no_bias", "no_affine"] = False,
        activation: PlainActivation = "relu",
        norm_last: bool = False,
        bias: bool = True,
        tokens: bool = False,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim, hidden=hidden)
        check_choice("norm", norm, HeadNorm)
        check_choice("activation", activation, PlainActivation)
        if layers < 2:
            raise EncoderError(f"layers={layers}: an 'mlp' head has at least 2; 'linear' has one")
        if final_norm and norm == "none":
            raise EncoderError(f"final_norm={final_norm!r} needs norm='layer' or norm='batch'")
        if norm_last and norm == "none":
            raise EncoderError("norm_last=True needs norm='layer' or norm='batch'")
        self.dim, self.norm, self.activation = dim, norm, activation
        self.norm_last, self.takes_tokens, self.mean_of_tokens = norm_last, tokens, tokens
        widths = (width, *[hidden] * (layers - 1), dim)
        self.layers = nnx.List(
            nnx.Linear(
                widths[i],
                widths[i + 1],
                use_bias=bias,
                kernel_init=nnx.initializers.he_normal(),
                dtype=dtype,
                preferred_element_type=jnp.float32,
                rngs=rngs,
            )
            for i in range(layers)
        )
        # Norms run in float32: they are small and their statistics want the digits.
        kinds = {"layer": nnx.LayerNorm, "batch": nnx.BatchNorm}
        normed: list[tuple[int, dict[str, bool]]]
        normed = [] if norm == "none" else [(w, {}) for w in widths[1:-1]]
        if final_norm:
            left_out = {"use_bias": final_norm is True, "use_scale": final_norm != "no_affine"}
            normed.append((dim, left_out))
        self.norms = nnx.List(
            kinds[norm](w, dtype=jnp.float32, rngs=rngs, **options) for w, options in normed
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, present: jax.Array | None = None
    ) -> jax.Array:
        options = {}
        if self.norm == "batch":
            mask = None if present is None or not train else counted(present)[..., None]
            options = {"use_running_average": not train, "mask": mask}
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            x = layer(x)
            steps: list[Callable[[jax.Array], jax.Array]] = []
            if i < len(self.norms):
                steps.append(functools.partial(self.norms[i], **options))
            if i < last:
                steps.append(ACTIVATIONS[self.activation])
            for step in reversed(steps) if self.norm_last else steps:
                x = step(x)
        return x.astype(jnp.float32)

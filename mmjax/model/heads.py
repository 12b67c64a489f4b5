"""Projection heads: from an encoder's pooled vector to the joint embedding space."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS, counted
from mmjax.encoders.mlp import PlainActivation
from mmjax.model.base import Head
from mmjax.model.codebook import CodebookHead, TokenHead
from mmjax.schema.bounds import Count, Repeats
from mmjax.schema.registry import Registry

HeadNorm = Literal["none", "layer", "batch"]


class NoHead(Head):
    """No projection: the pooled vector itself, f[B, W] -> f32[B, W]."""

    def __init__(self, *, width: int, dtype: DTypeLike, rngs: nnx.Rngs):
        del dtype, rngs
        self.dim = width

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return x.astype(jnp.float32)


class LinearHead(Head):
    """A linear projection head, f[B, W] -> f32[B, dim]; initial standard deviation W^-1/2.

    Args:
      dim: size of the joint space.
      bias: add a bias (CLIP has none, SigLIP's text tower has one).
      norm: after the layer: `none`, or `layer`, a layer norm with scale and bias.
      tokens: bring the encoder's tokens to the joint space, too, by the same layer: for terms that
        compare parts.
      width: W, of the encoder.
      dtype: of the product; its result is float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        dim: Count,
        bias: bool = False,
        norm: Literal["none", "layer"] = "none",
        tokens: bool = False,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim)
        check_choice("norm", norm, Literal["none", "layer"])
        self.dim, self.takes_tokens = dim, tokens
        self.project = nnx.Linear(
            width,
            dim,
            use_bias=bias,
            kernel_init=nnx.initializers.normal(width**-0.5),
            dtype=dtype,
            preferred_element_type=jnp.float32,
            rngs=rngs,
        )
        self.norm = nnx.LayerNorm(dim, dtype=jnp.float32, rngs=rngs) if norm == "layer" else None

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        x = self.project(x).astype(jnp.float32)
        return x if self.norm is None else self.norm(x)


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
      bias: biases in the linear layers.
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
        bias: bool = True,
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
        self.dim, self.norm, self.activation = dim, norm, activation
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
            mask = None if present is None or not train else counted(present)[:, None]
            options = {"use_running_average": not train, "mask": mask}
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.norms):
                x = self.norms[i](x, **options)
            if i < len(self.layers) - 1:
                x = ACTIVATIONS[self.activation](x)
        return x.astype(jnp.float32)


HEADS = Registry(
    "head",
    Head,
    {
        "none": NoHead,
        "linear": LinearHead,
        "mlp": MLPHead,
        "tokens": TokenHead,
        "codebook": CodebookHead,
    },
    provided=("rngs", "dtype", "width"),
)

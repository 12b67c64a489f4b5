"""ConvNeXt: convolutional networks in the manner of transformers, V1 and V2.

Liu et al. 2022, arXiv 2201.03545; V2, with a norm of responses: Woo et al. 2023, arXiv 2301.00808.
Sizes:

    tiny, small   blocks=(3, 3, 9, 3) or (3, 3, 27, 3), widths=(96, 192, 384, 768)
    base, large   blocks=(3, 3, 27, 3), widths=(128, 256, 512, 1024) or (192, 384, 768, 1536)
    V2            layer_scale=None, response_norm=True
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.layers import ACTIVATIONS, LayerScale, drop_path, dropout_key, fold_in
from mmjax.encoders.layers import layer_norm as norm_of
from mmjax.encoders.mlp import PlainActivation
from mmjax.encoders.stems import PatchStem
from mmjax.schema.bounds import BelowOne, Count, NonNegative, Positive, Repeats

_KERNEL = 7
_EPS = 1e-6  # of the norm of responses
_TINY = 1e-38  # under a root, whose gradient at 0 is none


class ResponseNorm(nnx.Module):
    """x (1 + scale norm(x) / mean(norm(x))) + bias, f[B, H, W, C]; norms over the map, mean over C.

    Global response normalization, Woo et al. 2023, section 3.
    """

    def __init__(self, channels: int, *, dtype: DTypeLike):
        self.dtype = dtype
        self.scale = nnx.Param(jnp.zeros((channels,), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((channels,), jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x.astype(jnp.float32)
        size = jnp.sqrt(jnp.sum(y**2, axis=(1, 2), keepdims=True) + _TINY)
        share = size / (size.mean(axis=-1, keepdims=True) + _EPS)
        return (y * (1 + self.scale[...] * share) + self.bias[...]).astype(self.dtype)


class ConvNeXtBlock(nnx.Module):
    """x + scale(down(activation(up(norm(depthwise 7x7(x)))))), f[B, H, W, C]."""

    def __init__(
        self,
        width: int,
        *,
        activation: PlainActivation,
        eps: float,
        layer_scale: float | None,
        response_norm: bool,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        init = nnx.initializers.truncated_normal(0.02)
        linear: Any = partial(nnx.Linear, kernel_init=init, dtype=dtype, rngs=rngs)
        self.activation = activation
        self.depthwise = nnx.Conv(
            width,
            width,
            (_KERNEL, _KERNEL),
            padding=_KERNEL // 2,
            feature_group_count=width,
            kernel_init=init,
            dtype=dtype,
            rngs=rngs,
        )
        self.norm = norm_of(width, eps=eps, dtype=dtype, rngs=rngs)
        self.up = linear(width, 4 * width)
        self.response = ResponseNorm(4 * width, dtype=dtype) if response_norm else None
        self.down = linear(4 * width, width)
        self.scale = (
            None if layer_scale is None else LayerScale(width, start=layer_scale, dtype=dtype)
        )

    def __call__(self, x: jax.Array, *, rate: float, key: jax.Array | None) -> jax.Array:
        y = ACTIVATIONS[self.activation](self.up(self.norm(self.depthwise(x))))
        y = self.down(y if self.response is None else self.response(y))
        return x + drop_path(y if self.scale is None else self.scale(y), rate, key)


class ConvNeXt(Encoder):
    """ConvNeXt, f[B, H, W, C] -> pooled f[B, W], the normalized mean of tokens f[B, T, W].

    Args:
      image_size: (height, width) in pixels that the tower is meant for; others work too.
      channels: of the image.
      patch: of the first patches.
      blocks, widths: of each stage; patches of 2 x 2 become one before each but the first.
      activation: of the blocks.
      eps: of the layer norms.
      final_eps: of the last one, after the mean; `eps` where None.
      layer_scale: start value of a learned scale on each branch; None for none (V2).
      response_norm: see `ResponseNorm` (V2).
      drop_path: rate of stochastic depth at the last block; it grows linearly from 0 at the first.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        image_size: tuple[Count, Count] = (224, 224),
        channels: Count = 3,
        patch: Count = 4,
        blocks: tuple[Repeats, ...] = (3, 3, 9, 3),
        widths: tuple[Count, ...] = (96, 192, 384, 768),
        activation: PlainActivation = "gelu",
        eps: Positive = 1e-6,
        final_eps: Positive | None = None,
        layer_scale: NonNegative | None = 1e-6,
        response_norm: bool = False,
        drop_path: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(channels=channels, patch=patch)
        check_rate("drop_path", drop_path)
        if not blocks or len(blocks) != len(widths) or min(*blocks, *widths) < 1:
            raise EncoderError(
                f"widths={tuple(widths)} and blocks={tuple(blocks)} need one number for each stage"
            )
        self.image_size, self.channels, self.patch = tuple(image_size), channels, patch
        self.width, self.drop_path, self.dtype = widths[-1], drop_path, dtype
        self.starts = tuple(sum(blocks[:i]) for i in range(len(blocks)))
        norm = partial(norm_of, dtype=dtype, rngs=rngs)
        inputs = (channels, *widths[:-1])
        self.stems = nnx.List(
            PatchStem(
                patch=2 if i else patch,
                channels=inputs[i],
                width=width,
                bias=True,
                init=nnx.initializers.truncated_normal(0.02),
                dtype=dtype,
                rngs=rngs,
            )
            for i, width in enumerate(widths)
        )
        # After the first stem, and before all others.
        self.norms = nnx.List(norm(width, eps=eps) for width in (widths[0], *widths[:-1]))
        self.blocks = nnx.List(
            ConvNeXtBlock(
                width,
                activation=activation,
                eps=eps,
                layer_scale=layer_scale,
                response_norm=response_norm,
                dtype=dtype,
                rngs=rngs,
            )
            for count, width in zip(blocks, widths, strict=True)
            for _ in range(count)
        )
        self.norm = norm(self.width, eps=eps if final_eps is None else final_eps)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes images f[B, H, W, C]; rows and columns that fill no patch are left out."""
        least = self.patch * 2 ** (len(self.stems) - 1)
        if x.ndim != 4 or x.shape[3] != self.channels or min(x.shape[1:3]) < least:
            raise EncoderError(
                f"images of shape {x.shape} where [B, H, W, {self.channels}] is expected, of at "
                f"least {least} pixels a side"
            )
        key = dropout_key(rngs, train, self.drop_path)
        y = x.astype(self.dtype)
        for i, block in enumerate(self.blocks):
            if i in self.starts:
                y = self._stem(self.starts.index(i), y)
            rate = self.drop_path * i / max(1, len(self.blocks) - 1)
            y = block(y, rate=rate, key=None if key is None else fold_in(key, i))
        tokens = y.reshape(y.shape[0], -1, y.shape[-1])
        mean = tokens.mean(axis=1, dtype=jnp.float32).astype(self.dtype)
        return Encoding(self.norm(mean), tokens)

    def _stem(self, stage: int, x: jax.Array) -> jax.Array:
        size = 2 if stage else self.patch
        height, width = (n // size * size for n in x.shape[1:3])
        stem, norm, x = self.stems[stage], self.norms[stage], x[:, :height, :width]
        y: jax.Array = stem(norm(x)) if stage else norm(stem(x))
        return y

"""wav2vec 2.0 and HuBERT: convolutions over samples, then a transformer.

Baevski et al. 2020, arXiv 2006.11477; Hsu et al. 2021, arXiv 2106.07447. Settings that reproduce
the published encoders:

    base   width=768, depth=12, heads=12
    large  width=1024, depth=24, heads=16, conv_norm='layer', conv_bias=True, norm='pre'
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.block import NormPlace
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import dropout, dropout_key, layer_norm
from mmjax.encoders.spectrogram import lengths_of
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import Count, Repeats

ConvNorm = Literal["group", "layer"]
_EPS = 1e-5  # of the norms of the convolutions
_LEAST = 1e-7  # added to the variance of the samples


class Wav2Vec2(Encoder):
    """Audio f[B, N] at 16 kHz -> pooled f[B, W], tokens f[B, T, W], of 20 ms each as published.

    Audio is normalized to mean 0 and variance 1. It ends at its last sample that is not 0, and is
    the same whatever it is padded to: padding counts in no mean, norm or attention. `pooled` is the
    mean of the tokens.

    Args:
      samples: the longest audio; shorter batches are fine.
      conv_widths, conv_kernels, conv_strides: of the convolutions.
      conv_norm: `group`, one norm over time of every channel, after the first convolution; or
        `layer`, a layer norm after each.
      conv_bias: biases in the convolutions.
      position_kernel, position_groups: of the convolution whose output is added as positions.
      norm: `post`, with a norm before the first block, or `pre`, see `Block`.
      width, depth, heads, mlp_width, activation, eps, dropout, drop_path, init, scan, remat: see
        `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(eps=1e-5)

    def __init__(
        self,
        *,
        samples: Count = 160_000,
        conv_widths: tuple[Count, ...] = (512,) * 7,
        conv_kernels: tuple[Count, ...] = (10, 3, 3, 3, 3, 2, 2),
        conv_strides: tuple[Count, ...] = (5, 2, 2, 2, 2, 2, 2),
        conv_norm: ConvNorm = "group",
        conv_bias: bool = False,
        position_kernel: Count = 128,
        position_groups: Repeats = 16,
        norm: NormPlace = "post",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        check_choice("conv_norm", conv_norm, ConvNorm)
        sizes = (conv_widths, conv_kernels, conv_strides)
        if not conv_widths or len({len(each) for each in sizes}) != 1:
            raise EncoderError(
                "conv_widths, conv_kernels and conv_strides need one number for each convolution"
            )
        check_positive(samples=samples, conv=min(map(min, sizes)), width=config.width)
        if config.width % position_groups:
            raise EncoderError(f"position_groups={position_groups} do not divide {config.width}")
        self.samples, self.width, self.dtype = samples, config.width, dtype
        self.kernels, self.strides = tuple(conv_kernels), tuple(conv_strides)
        self.conv_norm, self.dropout = conv_norm, config.dropout
        if self._lengths(samples) < 1:
            raise EncoderError(f"samples={samples} are fewer than one position sees")
        conv = partial(nnx.Conv, kernel_init=nnx.initializers.he_normal(), dtype=dtype, rngs=rngs)
        self.convs = nnx.List(
            conv(a, b, (k,), strides=s, padding="VALID", use_bias=conv_bias)
            for (a, b), k, s in zip(
                pairwise((1, *conv_widths)), conv_kernels, conv_strides, strict=True
            )
        )
        normed = conv_widths[:1] if conv_norm == "group" else conv_widths
        norm_of = partial(layer_norm, dtype=dtype, rngs=rngs)
        # Scale and bias are those of either kind.
        self.conv_norms = nnx.List(norm_of(width, eps=_EPS) for width in normed)
        self.features_norm = norm_of(conv_widths[-1], eps=config.eps)
        init = initialization(config.init, width=config.width, depth=config.depth)
        self.project = nnx.Linear(
            conv_widths[-1], config.width, kernel_init=init.up, dtype=dtype, rngs=rngs
        )
        behind = position_kernel // 2
        self.position = conv(
            config.width,
            config.width,
            (position_kernel,),
            padding=((behind, position_kernel - 1 - behind),),
            feature_group_count=position_groups,
        )
        self.embedding_norm = norm_of(config.width, eps=config.eps) if norm == "post" else None
        self.transformer = Transformer(
            norm=norm, final_norm=norm == "pre", dtype=dtype, rngs=rngs, **config.options()
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes audio f[B, N]; see `mmjax.encoders.base`."""
        if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
            raise EncoderError(f"audio of shape {x.shape} {x.dtype} where f32[B, N] is expected")
        if x.shape[1] > self.samples or self._lengths(x.shape[1]) < 1:
            raise EncoderError(
                f"{x.shape[1]} samples for an encoder of samples={self.samples}, of which a "
                "position sees several hundred: make the view's length smaller or larger"
            )
        lengths = lengths_of(x)
        y = _normalized(x.astype(jnp.float32), lengths).astype(self.dtype)[..., None]
        for i, conv in enumerate(self.convs):
            y = conv(y)
            lengths = (lengths - self.kernels[i]) // self.strides[i] + 1
            if i < len(self.conv_norms):
                norm = self.conv_norms[i]
                y = norm(y) if self.conv_norm == "layer" else _over_time(y, lengths, norm)
            y = jax.nn.gelu(y, approximate=False)
        real = jnp.arange(y.shape[1]) < jnp.maximum(lengths, 1)[:, None]
        y = jnp.where(real[..., None], self.project(self.features_norm(y)), 0)
        y = y + jax.nn.gelu(self.position(y), approximate=False)
        if self.embedding_norm is not None:
            y = self.embedding_norm(y)
        y = dropout(y, self.dropout, dropout_key(rngs, train, self.dropout))
        tokens = self.transformer(y, mask=real, train=train, rngs=rngs)
        return Encoding(pooling.mean(tokens, real), tokens, real)

    def _lengths(self, samples: int) -> int:
        """How many positions so many samples have."""
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples


def _normalized(x: jax.Array, lengths: jax.Array) -> jax.Array:
    """Audio f32[B, N] to mean 0 and variance 1 of what it has before its padding, which is 0."""
    real = jnp.arange(x.shape[1]) < lengths[:, None]
    count = jnp.maximum(lengths, 1)[:, None]
    centred = jnp.where(real, x - x.sum(axis=1, keepdims=True) / count, 0)
    variance = (centred**2).sum(axis=1, keepdims=True) / count
    return centred * jax.lax.rsqrt(variance + _LEAST)


def _over_time(y: jax.Array, lengths: jax.Array, norm: nnx.LayerNorm) -> jax.Array:
    """f[B, T, C], each channel normalized over the positions before the padding."""
    x = y.astype(jnp.float32)
    real = (jnp.arange(x.shape[1]) < jnp.maximum(lengths, 1)[:, None])[..., None]
    mean = jnp.mean(x, axis=1, keepdims=True, where=real)
    variance = jnp.mean((x - mean) ** 2, axis=1, keepdims=True, where=real)
    x = (x - mean) * jax.lax.rsqrt(variance + _EPS)
    scale, bias = norm.scale, norm.bias
    assert scale is not None
    assert bias is not None
    return (x * scale[...] + bias[...]).astype(y.dtype)

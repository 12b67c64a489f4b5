"""Residual networks: ResNet-18 to -152, their small-image variants, and CLIP's modified ResNet.

He et al. 2016, "Deep residual learning for image recognition", with the stride on the 3x3
convolution of a bottleneck ("v1.5"). Radford et al. 2021, section 2.4, for CLIP's. Settings:

    ResNet-18, -34    block='basic', blocks=(2, 2, 2, 2) or (3, 4, 6, 3)
    ResNet-50, -101   block='bottleneck', blocks=(3, 4, 6, 3) or (3, 4, 23, 3)
    CLIP RN50         blocks=(3, 4, 6, 3), stem='clip', antialias=True, pool='attention', heads=32,
                      pool_width=1024
    32 to 64 pixels   stem='conv3', 'patch2' or 'patch4', two or three stages of `basic` blocks

Convolutions are dense `jax.lax` ones over NHWC. On CPU, forward and backward, XLA runs them at 70
to 85% of the speed of its matrix products; sums of shifted products and im2col are slower, and
grouped or depthwise convolutions so slow that a depthwise one takes as long as a dense one.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive, check_rate
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import Attention, drop_path, dropout_key, fold_in
from mmjax.encoders.vit import PatchStem

BlockKind = Literal["basic", "bottleneck"]
Pool = Literal["mean", "max", "attention"]
NormKind = Literal["batch", "group", "layer"]
StemKind = Literal["imagenet", "clip", "conv3", "patch2", "patch4", "patch8"]

STEM_STRIDE: dict[str, int] = {
    "imagenet": 4,
    "clip": 4,
    "conv3": 1,
    "patch2": 2,
    "patch4": 4,
    "patch8": 8,
}


class Norm(nnx.Module):
    """Batch, group or layer norm over f[B, H, W, C], in float32, returned in `dtype`.

    Batch norm's running mean and variance are `nnx.BatchStat` variables that a call with
    `train=True` updates (momentum 0.9); the statistics are those of the whole batch, on however
    many devices it lies. Group norm has 32 groups, or the most that divide both 32 and C. Layer
    norm is over the channels of each pixel. The last two see one example at a time, so they are
    the same in training and evaluation, and suit small batches.
    """

    def __init__(
        self, channels: int, *, kind: NormKind, start: float = 1.0, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.kind, self.dtype = kind, dtype
        scale_init = nnx.initializers.constant(start)
        common = {
            "epsilon": 1e-5,
            "dtype": jnp.float32,
            "scale_init": scale_init,
            "rngs": rngs,
        }
        if kind == "batch":
            self.norm = nnx.BatchNorm(channels, momentum=0.9, **common)
        elif kind == "group":
            self.norm = nnx.GroupNorm(channels, num_groups=math.gcd(32, channels), **common)
        else:
            self.norm = nnx.LayerNorm(channels, use_fast_variance=False, **common)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if self.kind == "batch":
            return self.norm(x, use_running_average=not train).astype(self.dtype)
        return self.norm(x).astype(self.dtype)


def convolution(
    kernel: int, channels: int, features: int, *, stride: int = 1, dtype: DTypeLike, rngs: nnx.Rngs
) -> nnx.Conv:
    """A square convolution without bias, padded by (kernel - 1) / 2 on every side.

    Explicit padding, because XLA's 'SAME' pads a strided convolution on one side only, which
    shifts the features of weights that were trained elsewhere.
    """
    return nnx.Conv(
        channels,
        features,
        kernel_size=(kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        use_bias=False,
        kernel_init=nnx.initializers.he_normal(),
        dtype=dtype,
        rngs=rngs,
    )


def average_pool(x: jax.Array, size: int) -> jax.Array:
    """Means of size x size squares, f[B, H, W, C] -> f[B, H // size, W // size, C].

    Rows and columns that fill no square are left out.
    """
    if size == 1:
        return x
    batch, height, width, channels = x.shape
    h, w = height // size, width // size
    x = x[:, : h * size, : w * size]
    return x.reshape(batch, h, size, w, size, channels).mean(axis=(2, 4))


class ResidualBlock(nnx.Module):
    """`basic` (3x3, 3x3) or `bottleneck` (1x1, 3x3, 1x1 to four times the width) with a shortcut.

    The last norm starts at scale 0, so that a new network is its shortcuts only (Goyal et al.
    2017, section 5.1). With `antialias` the strided convolution has stride 1 and an average pool
    after it, and so has the shortcut.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        kind: BlockKind,
        stride: int,
        antialias: bool,
        norm: NormKind,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.stride, self.antialias = stride, antialias
        kernels, features, self.strided = (
            ((3, 3), (width, width), 0)
            if kind == "basic"
            else ((1, 3, 1), (width, width, 4 * width), 1)
        )
        conv_stride = 1 if antialias else stride
        conv = partial(convolution, dtype=dtype, rngs=rngs)
        make_norm = partial(Norm, kind=norm, dtype=dtype, rngs=rngs)
        last = len(kernels) - 1
        self.convs = nnx.List(
            conv(k, a, b, stride=conv_stride if i == self.strided else 1)
            for i, (k, a, b) in enumerate(
                zip(kernels, (channels, *features), features, strict=False)
            )
        )
        self.norms = nnx.List(
            make_norm(f, start=0.0 if i == last else 1.0) for i, f in enumerate(features)
        )
        changes = stride > 1 or channels != features[-1]
        self.shortcut = conv(1, channels, features[-1], stride=conv_stride) if changes else None
        self.shortcut_norm = make_norm(features[-1]) if changes else None

    def __call__(
        self, x: jax.Array, *, train: bool, rate: float = 0.0, key: jax.Array | None = None
    ) -> jax.Array:
        pool = self.stride if self.antialias else 1
        y, last = x, len(self.convs) - 1
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(y), train=train)
            if i < last:
                y = jax.nn.relu(y)
            if i == self.strided:
                y = average_pool(y, pool)
        if self.shortcut is not None:
            x = self.shortcut_norm(self.shortcut(average_pool(x, pool)), train=train)
        return jax.nn.relu(x + drop_path(y, rate, key))


class Stem(nnx.Module):
    """From pixels to the first feature map, f[B, H, W, C] -> f[B, H/s, W/s, width].

    - `imagenet` (s = 4): 7x7 of stride 2, 3x3 max pool of stride 2.
    - `clip` (s = 4): three 3x3, the first of stride 2, average pool of 2.
    - `conv3` (s = 1): one 3x3, for 32 pixels (He et al. 2016, section 4.2).
    - `patch2`, `patch4`, `patch8` (s = 2, 4, 8): non-overlapping patches, mapped linearly.
    """

    def __init__(
        self, kind: StemKind, *, channels: int, width: int, norm: NormKind, dtype: DTypeLike, rngs
    ):
        self.kind = kind
        conv = partial(convolution, dtype=dtype, rngs=rngs)
        if kind == "clip":
            convs = (
                conv(3, channels, width // 2, stride=2),
                conv(3, width // 2, width // 2),
                conv(3, width // 2, width),
            )
        elif kind == "imagenet":
            convs = (conv(7, channels, width, stride=2),)
        elif kind == "conv3":
            convs = (conv(3, channels, width),)
        else:
            patches = PatchStem(
                patch=STEM_STRIDE[kind],
                channels=channels,
                width=width,
                bias=False,
                init=nnx.initializers.he_normal(),
                dtype=dtype,
                rngs=rngs,
            )
            convs = (patches,)
        widths = (width // 2, width // 2, width) if kind == "clip" else (width,)
        self.convs = nnx.List(convs)
        self.norms = nnx.List(Norm(w, kind=norm, dtype=dtype, rngs=rngs) for w in widths)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = jax.nn.relu(norm(conv(x), train=train))
        if self.kind == "clip":
            return average_pool(x, 2)
        if self.kind == "imagenet":
            return nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        return x


class GridAttentionPooling(nnx.Module):
    """CLIP's pooling: the mean of the map attends to the map and itself, f[B, T, C] -> f[B, W].

    Radford et al. 2021, section 2.4: "a single layer of transformer-style multi-head QKV attention
    where the query is conditioned on the global average-pooled representation".
    """

    def __init__(self, *, count: int, channels: int, heads: int, width: int, dtype, rngs):
        self.dtype = dtype
        start = nnx.initializers.normal(channels**-0.5)
        self.position = nnx.Param(start(rngs.params(), (count + 1, channels), jnp.float32))
        # CLIP draws all four projections with the deviation channels^-1/2.
        init = initialization("clip", width=channels, depth=1)
        self.attention = Attention(
            width=channels, heads=heads, out_width=width, init=init, dtype=dtype, rngs=rngs
        )

    def __call__(self, tokens: jax.Array) -> jax.Array:
        mean = tokens.mean(axis=1, keepdims=True, dtype=jnp.float32).astype(tokens.dtype)
        y = jnp.concatenate([mean, tokens], axis=1) + self.position[...].astype(self.dtype)
        return self.attention(y[:, :1], y)[:, 0]


class ResNet(nnx.Module):
    """A residual network, f[B, H, W, C] -> pooled f[B, width], tokens f[B, H/s * W/s, last].

    `tokens` is the last feature map, row by row; s is the stride of the stem times 2 for each
    stage after the first; `last` is the last of `widths`, times 4 with bottlenecks.

    Args:
      image_size: (height, width) in pixels; only `pool='attention'` insists on it.
      channels: of the image.
      block: `basic` or `bottleneck`, see `ResidualBlock`.
      blocks: number of blocks in each stage; the first stage keeps the resolution.
      widths: of the 3x3 convolutions of each stage; a bottleneck's output has four times as many.
      stem: see `Stem`.
      antialias: average pools in place of strides (CLIP).
      norm: `batch`, `group` or `layer`, see `Norm`.
      pool: `mean` or `max` of the last map, or `attention`, see `GridAttentionPooling`.
      heads: of the attention pooling.
      pool_width: output width of the attention pooling; `last` where None.
      drop_path: rate of stochastic depth at the last block, growing linearly from 0 at the first.
      dtype: of the computation; parameters, norms and statistics are float32.
      rngs: for the initial parameters.

    Attributes:
      width: of `pooled`: `last`, or `pool_width` where it is given.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int] = (224, 224),
        channels: int = 3,
        block: BlockKind = "bottleneck",
        blocks: tuple[int, ...] = (3, 4, 6, 3),
        widths: tuple[int, ...] = (64, 128, 256, 512),
        stem: StemKind = "imagenet",
        antialias: bool = False,
        norm: NormKind = "batch",
        pool: Pool = "mean",
        heads: int = 32,
        pool_width: int | None = None,
        drop_path: float = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(channels=channels)
        check_choice("block", block, BlockKind)
        check_choice("stem", stem, StemKind)
        check_choice("norm", norm, NormKind)
        check_choice("pool", pool, Pool)
        check_rate("drop_path", drop_path)
        if not blocks or min(blocks) < 1:
            raise EncoderError(f"blocks={tuple(blocks)}: every stage needs at least one block")
        if len(widths) != len(blocks):
            raise EncoderError(
                f"widths={tuple(widths)} and blocks={tuple(blocks)} are of different lengths: give "
                "one number for each stage in both"
            )
        if pool != "attention" and pool_width is not None:
            raise EncoderError(
                f"pool_width is the output of pool='attention'; pool={pool!r} has none"
            )
        self.image_size, self.channels, self.dtype = tuple(image_size), channels, dtype
        self.pool, self.drop_path = pool, drop_path
        self.stem_stride = STEM_STRIDE[stem]
        self.stem = Stem(
            stem, channels=channels, width=widths[0], norm=norm, dtype=dtype, rngs=rngs
        )
        built, current = [], widths[0]
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            for i in range(count):
                built.append(
                    ResidualBlock(
                        current,
                        width,
                        kind=block,
                        stride=2 if i == 0 and stage > 0 else 1,
                        antialias=antialias,
                        norm=norm,
                        dtype=dtype,
                        rngs=rngs,
                    )
                )
                current = width if block == "basic" else 4 * width
        self.blocks = nnx.List(built)
        self.stride = self.stem_stride * 2 ** (len(blocks) - 1)
        self.width = current if pool_width is None else pool_width
        self.attention_pool = (
            self._attention_pool(current, heads, rngs) if pool == "attention" else None
        )

    def _attention_pool(self, channels: int, heads: int, rngs: nnx.Rngs) -> GridAttentionPooling:
        height, side = self.image_size
        if height % self.stride or side % self.stride:
            raise EncoderError(
                f"image_size={self.image_size} is not divisible by the stride {self.stride} of "
                "this network, which pool='attention' needs"
            )
        return GridAttentionPooling(
            count=(height // self.stride) * (side // self.stride),
            channels=channels,
            heads=heads,
            width=self.width,
            dtype=self.dtype,
            rngs=rngs,
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes images f[B, H, W, C]; see `mmjax.encoders.base`.

        With `train=True` and batch norm, the running statistics of this module change in place.
        """
        self._check(x)
        y = self.stem(x.astype(self.dtype), train=train)
        key = dropout_key(rngs, train, self.drop_path)
        for i, block in enumerate(self.blocks):
            rate = self.drop_path * i / max(1, len(self.blocks) - 1)
            y = block(y, train=train, rate=rate, key=None if key is None else fold_in(key, i))
        tokens = y.reshape(y.shape[0], -1, y.shape[-1])
        if self.attention_pool is not None:
            return Encoding(self.attention_pool(tokens), tokens)
        if self.pool == "max":
            return Encoding(tokens.max(axis=1), tokens)
        return Encoding(tokens.mean(axis=1, dtype=jnp.float32).astype(self.dtype), tokens)

    def _check(self, x: jax.Array) -> None:
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise EncoderError(
                f"images of shape {x.shape} where [B, H, W, {self.channels}] is expected"
            )
        size = x.shape[1:3]
        if self.attention_pool is not None and size != self.image_size:
            raise EncoderError(
                f"images of {size} pixels for attention pooling over {self.image_size}: resize "
                "them, or carry the positions over with mmjax.encoders.positions.interpolate"
            )
        if size[0] % self.stem_stride or size[1] % self.stem_stride:
            raise EncoderError(
                f"images of {size} pixels are not divisible by the stride {self.stem_stride} of "
                "the stem"
            )

"""The parts of residual networks: convolutions, norms, residual blocks and stems.

Convolutions are dense `jax.lax` ones over NHWC. On CPU, forward and backward, XLA runs them at 70
to 85% of the speed of its matrix products; sums of shifted products and im2col are slower, and
grouped or depthwise convolutions so slow that a depthwise one takes as long as a dense one.

The same parts make networks over other grids: `dims=1` over time, f[B, T, C]. There positions may
be padding, which a mask says; they are zero after every activation, so that an example gives the
same features however much padding follows it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.layers import drop_path
from mmjax.encoders.stems import PatchStem

BlockKind = Literal["basic", "bottleneck"]
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
    """Batch, group or layer norm over f[B, ..., C], in float32, returned in `dtype`.

    Batch norm's running mean and variance are `nnx.BatchStat` variables that a call with
    `train=True` updates (momentum 0.9); the statistics are those of the whole batch, on however
    many devices it lies. Group norm has 32 groups, or the most that divide both 32 and C. Layer
    norm is over the channels of each pixel. The last two see one example at a time, so they are
    the same in training and evaluation, and suit small batches. Positions where a mask is False
    count in no statistics.
    """

    def __init__(
        self, channels: int, *, kind: NormKind, start: float = 1.0, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.kind, self.dtype = kind, dtype
        scale_init = nnx.initializers.constant(start)
        common: dict[str, Any] = {
            "epsilon": 1e-5,
            "dtype": jnp.float32,
            "scale_init": scale_init,
            "rngs": rngs,
        }
        self.norm: nnx.BatchNorm | nnx.GroupNorm | nnx.LayerNorm
        if kind == "batch":
            self.norm = nnx.BatchNorm(channels, momentum=0.9, **common)
        elif kind == "group":
            self.norm = nnx.GroupNorm(channels, num_groups=math.gcd(32, channels), **common)
        else:
            self.norm = nnx.LayerNorm(channels, use_fast_variance=False, **common)

    def __call__(self, x: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        y: jax.Array
        if isinstance(self.norm, nnx.BatchNorm):
            y = self.norm(x, use_running_average=not train, mask=mask)
            return y.astype(self.dtype)
        if mask is not None and self.kind == "group":
            mask = jnp.broadcast_to(mask, x.shape)
        else:  # layer norm sees one position at a time
            mask = None
        y = self.norm(x, mask=mask)
        return y.astype(self.dtype)


def convolution(
    kernel: int,
    channels: int,
    features: int,
    *,
    stride: int = 1,
    dims: int = 2,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A convolution without bias over `dims` axes, padded by (kernel - 1) / 2 on every side.

    Explicit padding, because XLA's 'SAME' pads a strided convolution on one side only, which
    shifts the features of weights that were trained elsewhere.
    """
    return nnx.Conv(
        channels,
        features,
        kernel_size=(kernel,) * dims,
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
    after it, and so has the shortcut (of images only).

    Called with `masks`, of the positions before and after the block, bool[B, ..., 1], it
    leaves padding at zero.
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
        dims: int = 2,
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
        conv = partial(convolution, dims=dims, dtype=dtype, rngs=rngs)
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
        self,
        x: jax.Array,
        *,
        train: bool,
        rate: float = 0.0,
        key: jax.Array | None = None,
        masks: tuple[jax.Array, jax.Array] | None = None,
    ) -> jax.Array:
        before, after = (None, None) if masks is None else masks
        pool = self.stride if self.antialias else 1
        y, last = x, len(self.convs) - 1
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            mask = before if i < self.strided else after
            y = norm(conv(y), train=train, mask=mask)
            if i < last:
                y = masked(jax.nn.relu(y), mask)
            if i == self.strided:
                y = average_pool(y, pool)
        if self.shortcut is not None and self.shortcut_norm is not None:
            shortcut = self.shortcut(average_pool(x, pool))
            x = self.shortcut_norm(shortcut, train=train, mask=after)
        return masked(jax.nn.relu(x + drop_path(y, rate, key)), after)


def masked(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """`x` f[B, ..., C], zero where `mask` bool[B, ..., 1] is False; `x` itself without a mask."""
    return x if mask is None else jnp.where(mask, x, 0)


class Stem(nnx.Module):
    """From pixels to the first feature map, f[B, H, W, C] -> f[B, H/s, W/s, width].

    - `imagenet` (s = 4): 7x7 of stride 2, 3x3 max pool of stride 2.
    - `clip` (s = 4): three 3x3, the first of stride 2, average pool of 2.
    - `conv3` (s = 1): one 3x3, for 32 pixels (He et al. 2016, section 4.2).
    - `patch2`, `patch4`, `patch8` (s = 2, 4, 8): non-overlapping patches, mapped linearly.

    A `mask` bool[B, 1, 1, 1] says which images count in the statistics of batch norm.
    """

    def __init__(
        self,
        kind: StemKind,
        *,
        channels: int,
        width: int,
        norm: NormKind,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.kind = kind
        conv = partial(convolution, dtype=dtype, rngs=rngs)
        convs: tuple[nnx.Conv | PatchStem, ...]
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

    def __call__(self, x: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = jax.nn.relu(norm(conv(x), train=train, mask=mask))
        if self.kind == "clip":
            return average_pool(x, 2)
        if self.kind == "imagenet":
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        return x

"""Residual networks over signals, along time or over the image that time and channels make.

Parts and block sizes are those of `mmjax.encoders.resnet`. Settings after published models:

    1-D ResNet-18                              dims=1, blocks=(2, 2, 2, 2)
    ECG of Symile-MIMIC (arXiv 2411.01053)     dims=2, blocks=(2, 2, 2, 2): ResNet-18 with a 7x7
                                               convolution of one channel on 5,000 x 12
    a 1-D CNN for inertial sensors             dims=1, blocks=(1, 1), stem='patch', patch=4
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import (
    Encoder,
    EncoderError,
    Encoding,
    check_choice,
    check_positive,
    check_rate,
)
from mmjax.encoders.layers import counted, dropout_key, fold_in
from mmjax.encoders.residual import BlockKind, Norm, NormKind, ResidualBlock, convolution, masked
from mmjax.encoders.signal import time_first
from mmjax.encoders.stems import PatchStem
from mmjax.schema.bounds import BelowOne, Count, Repeats

Pool = Literal["mean", "max"]
StemKind = Literal["imagenet", "patch"]


class SignalResNet(Encoder):
    """A residual network, f[B, T, C] -> pooled f[B, W], tokens f[B, N, W], mask bool[B, N].

    `tokens` is the last feature map, in the order of time (with `dims=2`, all channels of one time
    before the next). Times at which every channel is NaN, such as those behind the end of a signal,
    are zero in every layer and count in no statistic; other missing values are 0. Any length will
    do.

    Args:
      channels: C.
      channels_first: the input is f[B, C, T].
      dims: 1, convolutions along time that see all channels; 2, over an image of T x C pixels,
        which share weights between neighbouring channels.
      block: `basic` or `bottleneck`, see `ResidualBlock`.
      blocks: number of blocks in each stage; every stage after the first halves the resolution.
      widths: of each stage; a bottleneck's output has four times as many.
      stem: `imagenet`, a convolution of kernel 7 and a max pool of 3, both of stride 2; or
        `patch`, patches mapped linearly (with `dims=1`).
      patch: samples a patch.
      norm: `batch`, `group` or `layer`, see `Norm`.
      pool: `mean` or `max` of the last map where it is no padding.
      drop_path: rate of stochastic depth at the last block, growing linearly from 0 at the first.
      dtype: of the computation; parameters, norms and statistics are float32.
      rngs: for the initial parameters.

    Attributes:
      width: W, the last of `widths`, times 4 with bottlenecks.
    """

    reads_present = True

    def __init__(
        self,
        *,
        channels: Count = 12,
        channels_first: bool = False,
        dims: Literal[1, 2] = 1,
        block: BlockKind = "basic",
        blocks: tuple[Repeats, ...] = (2, 2, 2, 2),
        widths: tuple[Count, ...] = (64, 128, 256, 512),
        stem: StemKind = "imagenet",
        patch: Count = 4,
        norm: NormKind = "batch",
        pool: Pool = "mean",
        drop_path: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(channels=channels, patch=patch)
        check_choice("dims", dims, Literal[1, 2])
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
        if stem == "patch" and dims == 2:
            raise EncoderError("stem='patch' cuts along time only: use dims=1, or stem='imagenet'")
        self.channels, self.channels_first, self.dims = channels, channels_first, dims
        self.patch, self.pool, self.drop_path, self.dtype = patch, pool, drop_path, dtype
        self.batch_norm = norm == "batch"
        common: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.stem: PatchStem | nnx.Conv
        if stem == "patch":
            self.stem = PatchStem(
                patch=(patch,),
                channels=channels,
                width=widths[0],
                bias=False,
                init=nnx.initializers.he_normal(),
                **common,
            )
        else:
            seen = channels if dims == 1 else 1
            self.stem = convolution(7, seen, widths[0], stride=2, dims=dims, **common)
        self.stem_norm = Norm(widths[0], kind=norm, **common)
        built, current = [], widths[0]
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            for i in range(count):
                stride = 2 if i == 0 and stage > 0 else 1
                built.append(
                    ResidualBlock(
                        current,
                        width,
                        kind=block,
                        stride=stride,
                        antialias=False,
                        norm=norm,
                        dims=dims,
                        **common,
                    )
                )
                current = width if block == "basic" else 4 * width
        self.blocks = nnx.List(built)
        self.width = current

    def __call__(
        self,
        x: jax.Array,
        *,
        present: jax.Array | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Encoding:
        """Encodes signals f[B, T, C] (or f[B, C, T]); see `mmjax.encoders.base`.

        With `train=True` and batch norm, the running statistics of this module change in place;
        where `present` bool[B] is False, the signal is a placeholder and counts in none of them.
        """
        x = time_first(x, self.channels, self.channels_first)
        missing = jnp.isnan(x)
        real, x = ~missing.all(axis=2), jnp.where(missing, 0, x)
        # So that no statistic is of nothing where a whole signal is missing.
        real = real.at[:, 0].set(real[:, 0] | ~real.any(axis=1))
        if present is not None and train and self.batch_norm:
            real &= counted(present)[:, None]
        y, real = self._stem(x.astype(self.dtype), real, train)
        key = dropout_key(rngs, train, self.drop_path)
        for i, block in enumerate(self.blocks):
            rate = self.drop_path * i / max(1, len(self.blocks) - 1)
            before, real = real, real[:, :: block.stride]
            masks = self._spread(before), self._spread(real)
            row_key = None if key is None else fold_in(key, i)
            y = block(y, train=train, rate=rate, key=row_key, masks=masks)
        mask = jnp.broadcast_to(self._spread(real)[..., 0], y.shape[:-1]).reshape(len(y), -1)
        tokens = y.reshape(len(y), -1, self.width)
        # Padding is zero and the last ReLU's output not below it: the largest is a real one.
        pooled = pooling.largest(tokens) if self.pool == "max" else pooling.mean(tokens, mask)
        return Encoding(pooled, tokens, mask)

    def _spread(self, real: jax.Array) -> jax.Array:
        """bool[B, T] -> a mask of the map, bool[B, T, 1] or bool[B, T, 1, 1]."""
        return real.reshape(*real.shape, *(1,) * self.dims)

    def _stem(self, x: jax.Array, real: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        if isinstance(self.stem, PatchStem):
            behind = (0, -x.shape[1] % self.patch)
            y = self.stem(jnp.pad(x, ((0, 0), behind, (0, 0))))
            real = jnp.pad(real, ((0, 0), behind)).reshape(len(x), -1, self.patch).any(axis=2)
        else:
            y, real = self.stem(x if self.dims == 1 else x[..., None]), real[:, ::2]
        mask = self._spread(real)
        y = masked(jax.nn.relu(self.stem_norm(y, train=train, mask=mask)), mask)
        if isinstance(self.stem, PatchStem):
            return y, real
        pads = ((1, 1),) * self.dims
        y = nnx.max_pool(y, (3,) * self.dims, strides=(2,) * self.dims, padding=pads)
        real = real[:, ::2]
        return masked(y, self._spread(real)), real

"""Residual networks: ResNet-18 to -152, their small-image variants, and CLIP's modified ResNet.

He et al. 2016, "Deep residual learning for image recognition", with the stride on the 3x3
convolution of a bottleneck ("v1.5"). Radford et al. 2021, section 2.4, for CLIP's. Settings:

    ResNet-18, -34    block='basic', blocks=(2, 2, 2, 2) or (3, 4, 6, 3)
    ResNet-50, -101   block='bottleneck', blocks=(3, 4, 6, 3) or (3, 4, 23, 3)
    CLIP RN50         blocks=(3, 4, 6, 3), stem='clip', antialias=True, pool='attention', heads=32,
                      pool_width=1024
    32 to 64 pixels   stem='conv3', 'patch2' or 'patch4', two or three stages of `basic` blocks
    centred icons     pool='flatten', which keeps what is where, and few or no strides
"""

from __future__ import annotations

from typing import Literal

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
from mmjax.encoders.layers import counted, dropout_key, fold_in
from mmjax.encoders.pooling import GridAttentionPooling, largest
from mmjax.encoders.residual import STEM_STRIDE, BlockKind, NormKind, ResidualBlock, Stem, StemKind
from mmjax.schema.bounds import BelowOne, Count, Repeats

Pool = Literal["mean", "max", "attention", "flatten"]


class ResNet(Encoder):
    """A residual network, f[B, H, W, C] -> pooled f[B, width], tokens f[B, H/s * W/s, last].

    `tokens` is the last feature map, row by row; s is the stride of the stem times 2 for each
    stage after the first; `last` is the last of `widths`, times 4 with bottlenecks.

    Args:
      image_size: (height, width) in pixels; only pooling by `attention` or `flatten` insists on it.
      channels: of the image.
      block: `basic` or `bottleneck`, see `ResidualBlock`.
      blocks: number of blocks in each stage; the first stage keeps the resolution.
      widths: of the 3x3 convolutions of each stage; a bottleneck's output has four times as many.
      stem: see `Stem`.
      antialias: average pools in place of strides (CLIP).
      norm: `batch`, `group` or `layer`, see `Norm`.
      pool: `mean` or `max` of the last map; `attention`, see `GridAttentionPooling`; or `flatten`:
        every position's features, squeezed by one linear layer and a ReLU, side by side, as in
        the networks before global pooling (LeCun et al. 1998). It knows what is where: good for
        centred images, wrong where things move.
      heads: of the attention pooling.
      pool_width: output width of the attention pooling, `last` where None; with `flatten`, the
        width of one position, 32 where None.
      drop_path: rate of stochastic depth at the last block, growing linearly from 0 at the first.
      dtype: of the computation; parameters, norms and statistics are float32.
      rngs: for the initial parameters.

    Attributes:
      width: of `pooled`: `last`, or `pool_width` where it is given, times the number of positions
        with `flatten`.
    """

    reads_present = True

    def __init__(
        self,
        *,
        image_size: tuple[Count, Count] = (224, 224),
        channels: Count = 3,
        block: BlockKind = "bottleneck",
        blocks: tuple[Repeats, ...] = (3, 4, 6, 3),
        widths: tuple[Count, ...] = (64, 128, 256, 512),
        stem: StemKind = "imagenet",
        antialias: bool = False,
        norm: NormKind = "batch",
        pool: Pool = "mean",
        heads: Count = 32,
        pool_width: Count | None = None,
        drop_path: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(channels=channels)
        check_choice("block", block, BlockKind)
        check_choice("stem", stem, StemKind)
        check_choice("norm", norm, NormKind)
        check_choice("pool", pool, Pool)
        check_rate("drop_path", drop_path)
        self.batch_norm = norm == "batch"
        if not blocks or min(blocks) < 1:
            raise EncoderError(f"blocks={tuple(blocks)}: every stage needs at least one block")
        if len(widths) != len(blocks):
            raise EncoderError(
                f"widths={tuple(widths)} and blocks={tuple(blocks)} are of different lengths: give "
                "one number for each stage in both"
            )
        if pool not in ("attention", "flatten") and pool_width is not None:
            raise EncoderError(
                f"pool_width is of pool='attention' or 'flatten'; pool={pool!r} has none"
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
        self.stride: int = self.stem_stride * 2 ** (len(blocks) - 1)
        each = (32 if pool == "flatten" else current) if pool_width is None else pool_width
        self.width = self._positions() * each if pool == "flatten" else each
        self.token_width = current
        self.attention_pool = (
            GridAttentionPooling(
                count=self._positions(),
                channels=current,
                heads=heads,
                width=self.width,
                dtype=dtype,
                rngs=rngs,
            )
            if pool == "attention"
            else None
        )
        self.squeeze = (
            nnx.Linear(
                current, each, kernel_init=nnx.initializers.he_normal(), dtype=dtype, rngs=rngs
            )
            if pool == "flatten"
            else None
        )

    def _positions(self) -> int:
        """Number of positions of the last map."""
        height, side = self.image_size
        if height % self.stride or side % self.stride:
            raise EncoderError(
                f"image_size={self.image_size} is not divisible by the stride {self.stride} of "
                f"this network, which pool={self.pool!r} needs"
            )
        return (height // self.stride) * (side // self.stride)

    def __call__(
        self,
        x: jax.Array,
        *,
        present: jax.Array | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Encoding:
        """Encodes images f[B, H, W, C]; see `mmjax.encoders.base`.

        With `train=True` and batch norm, the running statistics of this module change in place;
        where `present` bool[B] is False, the image is a placeholder and counts in none of them.
        """
        self._check(x)
        mask = None
        if present is not None and train and self.batch_norm:
            mask = counted(present)[:, None, None, None]
        y = self.stem(x.astype(self.dtype), train=train, mask=mask)
        key = dropout_key(rngs, train, self.drop_path)
        for i, block in enumerate(self.blocks):
            rate = self.drop_path * i / max(1, len(self.blocks) - 1)
            key_here = None if key is None else fold_in(key, i)
            masks = None if mask is None else (mask, mask)
            y = block(y, train=train, rate=rate, key=key_here, masks=masks)
        tokens = y.reshape(y.shape[0], -1, y.shape[-1])
        if self.attention_pool is not None:
            return Encoding(self.attention_pool(tokens), tokens)
        if self.squeeze is not None:
            return Encoding(jax.nn.relu(self.squeeze(tokens)).reshape(x.shape[0], -1), tokens)
        if self.pool == "max":
            return Encoding(largest(tokens), tokens)
        return Encoding(tokens.mean(axis=1, dtype=jnp.float32).astype(self.dtype), tokens)

    def _check(self, x: jax.Array) -> None:
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise EncoderError(
                f"images of shape {x.shape} where [B, H, W, {self.channels}] is expected"
            )
        size = x.shape[1:3]
        if self.pool in ("attention", "flatten") and size != self.image_size:
            raise EncoderError(
                f"images of {size} pixels for {self.pool} pooling over {self.image_size}: the "
                "view's size and the encoder's image_size have to be the same"
            )
        if size[0] % self.stem_stride or size[1] % self.stem_stride:
            raise EncoderError(
                f"images of {size} pixels are not divisible by the stride {self.stem_stride} of "
                "the stem"
            )

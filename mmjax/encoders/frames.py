"""Video encoder: a vision transformer on every frame, pooled over the frames.

The towers that take CLIP to video: mean pooling of frames, or a transformer over them ("meanP" and
"seqTransf" of Luo et al. 2022, "CLIP4Clip", arXiv 2104.08860, section 3.3). For attention between
patches of different frames, `PatchTransformer` with three axes.

    small        frames=8, image_size=(32, 32), patch=8, width=64, depth=2, heads=4
    CLIP4Clip    frames=12, image_size=(224, 224), patch=32, temporal_depth=4
"""

from __future__ import annotations

import dataclasses
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import dropout_key, keys_of_parts, split_key
from mmjax.encoders.patches import Pool
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.encoders.vit import ViT
from mmjax.parallel.layout import rows
from mmjax.schema.bounds import Count, RepeatsOrZero


class FrameTransformer(Encoder):
    """A video encoder, f[B, T, H, W, 3] -> pooled f[B, width], tokens f[B, T, width], one a frame.

    A frame that holds NaN is not there: it is masked, so clips of any length up to `frames` share a
    batch. Pooled is the mean over the frames that are there.

    Args:
      frames: the most frames, of which each has a position; shorter clips are fine.
      image_size, patch, channels, width, depth, heads, mlp_width, pool, pre_norm, patch_bias,
        activation, eps: of the transformer of frames, see `ViT`; it has learned positions.
      temporal_depth: blocks of a transformer over the frames, of the same width and heads; 0 for
        the mean of what the frames are by themselves, to which their order does not matter.
      dropout, drop_path, init, scan, remat: of both, see `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig()

    def __init__(
        self,
        *,
        frames: Count,
        image_size: tuple[Count, Count] = (224, 224),
        patch: Count = 32,
        channels: Count = 3,
        pool: Pool = "cls",
        pre_norm: bool = False,
        patch_bias: bool = True,
        temporal_depth: RepeatsOrZero = 0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        check_positive(frames=frames)
        if temporal_depth < 0:
            raise EncoderError(f"temporal_depth={temporal_depth} is negative: give 0 for the mean")
        config = self.transformer_defaults.of(transformer)
        self.frames, self.width, self.channels = frames, config.width, channels
        self.rate, self.dtype = max(config.dropout, config.drop_path), dtype
        self.frame = ViT(
            image_size=image_size,
            patch=patch,
            channels=channels,
            pool=pool,
            pre_norm=pre_norm,
            patch_bias=patch_bias,
            dtype=dtype,
            rngs=rngs,
            **config.options(),
        )
        start = initialization(
            config.init, width=config.width, depth=max(temporal_depth, 1)
        ).position
        self.position = (
            nnx.Param(start(rngs.params(), (frames, config.width), jnp.float32))
            if temporal_depth
            else None
        )
        over_frames = dataclasses.replace(config, depth=temporal_depth).options()
        self.transformer = (
            Transformer(**over_frames, dtype=dtype, rngs=rngs) if temporal_depth else None
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes clips f[B, T, H, W, C]; see `mmjax.encoders.base`."""
        if x.ndim != 5 or x.shape[4] != self.channels or x.shape[1] > self.frames:
            raise EncoderError(
                f"clips of shape {x.shape} where [B, at most {self.frames}, H, W, {self.channels}] "
                "is expected"
            )
        batch, count = x.shape[:2]
        mask = ~jnp.isnan(x).any(axis=(2, 3, 4))
        x = jnp.where(mask[:, :, None, None, None], x, 0)
        key = dropout_key(rngs, train, self.rate)
        of_frames = of_clips = None
        if key is not None:
            first, second = split_key(key, 2)
            of_frames = nnx.Rngs(dropout=keys_of_parts(first, batch, count))
            of_clips = nnx.Rngs(dropout=second)
        every = rows(x.reshape(batch * count, *x.shape[2:]))
        y = self.frame(every, train=train, rngs=of_frames).pooled.reshape(batch, count, self.width)
        if self.transformer is not None and self.position is not None:
            y = y + self.position[:count].astype(self.dtype)
            y = self.transformer(y, mask=mask, train=train, rngs=of_clips)
        return Encoding(pooling.mean(y, mask), y, mask)

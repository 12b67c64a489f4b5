"""Audio spectrogram transformer: a ViT over overlapping patches of a log-mel spectrogram.

Gong, Chung and Glass 2021, "AST: Audio Spectrogram Transformer", arXiv 2104.01778. Settings that
reproduce the published models: frames=1024, mels=128, patch=16, stride=(10, 10), eps=1e-12.
"""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.encoders.initializers import initialization
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import Count


class SpectrogramTransformer(Encoder):
    """A transformer over spectrograms, f[B, frames, mels] -> pooled f[B, W], tokens f[B, T, W].

    Tokens are, after the final layer norm: a class token, a distillation token (Touvron et al.
    2021, DeiT, whose ImageNet weights AST starts from), and the patches, band by band. `pooled` is
    the mean of the first two.

    Args:
      frames, mels: size of the spectrogram; one of fewer frames uses the first positions.
      patch: side of a patch.
      stride: (time, frequency) steps between patches; smaller than `patch`, they overlap.
      width, depth, heads, mlp_width, activation, eps, dropout, drop_path, init, scan, remat: see
        `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(eps=1e-12)

    def __init__(
        self,
        *,
        frames: Count = 1024,
        mels: Count = 128,
        patch: Count = 16,
        stride: tuple[Count, Count] = (10, 10),
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        width = config.width
        check_positive(patch=patch, width=width, depth=config.depth, stride=min(stride))
        if min(frames, mels) < patch:
            raise EncoderError(
                f"frames={frames} and mels={mels}: both have to be at least patch={patch}"
            )
        self.frames, self.mels, self.width, self.dtype = frames, mels, width, dtype
        self.patch, self.stride = patch, tuple(stride)
        weights = initialization(config.init, width=width, depth=config.depth)
        self.project = nnx.Conv(
            1,
            width,
            (patch, patch),
            strides=(stride[1], stride[0]),
            padding="VALID",
            kernel_init=weights.patch,
            dtype=dtype,
            rngs=rngs,
        )
        self.grid = ((mels - patch) // stride[1] + 1, (frames - patch) // stride[0] + 1)
        count = self.grid[0] * self.grid[1]
        self.special_tokens = nnx.Param(weights.special(rngs.params(), (2, width), jnp.float32))
        self.position = nnx.Param(weights.position(rngs.params(), (2 + count, width), jnp.float32))
        self.transformer = Transformer(dtype=dtype, rngs=rngs, **config.options())

    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Encoding:
        """Encodes log-mel spectrograms f[B, frames or fewer, mels]; see `mmjax.encoders.base`.

        Args:
          x: the spectrograms.
          mask: bool[B, frames], False at frames of padding, which come last; None when all are
            real. Nothing attends to a patch that has no real frame beside those of the patch
            before it.
          train, rngs: for dropout.
        """
        if x.ndim != 3 or not self.patch <= x.shape[1] <= self.frames or x.shape[2] != self.mels:
            raise EncoderError(
                f"spectrograms of shape {x.shape} where [B, {self.frames}, {self.mels}] is "
                f"expected, or fewer frames, down to {self.patch}"
            )
        y = self.project(x.transpose(0, 2, 1)[..., None].astype(self.dtype))
        bands, times = y.shape[1:3]
        y = y.reshape(y.shape[0], -1, self.width)
        special, y_position = self.special_tokens[...], self.position[...]
        if times < self.grid[1]:
            grid = y_position[2:].reshape(*self.grid, -1)[:, :times]
            y_position = jnp.concatenate([y_position[:2], grid.reshape(-1, self.width)])
        special = jnp.broadcast_to(special.astype(self.dtype), (y.shape[0], 2, self.width))
        y = jnp.concatenate([special, y], axis=1) + y_position.astype(self.dtype)
        if mask is not None:
            # The first frame that the patch before does not have.
            first = max(self.patch - self.stride[0], 0)
            real = mask[:, first + self.stride[0] :: self.stride[0]][:, : times - 1]
            real = jnp.concatenate([jnp.ones((len(y), 1), bool), real], axis=1)[:, None]
            real = jnp.broadcast_to(real, (len(y), bands, times)).reshape(len(y), -1)
            mask = jnp.concatenate([jnp.ones((len(y), 2), bool), real], axis=1)
        tokens = self.transformer(y, mask=mask, train=train, rngs=rngs)
        return Encoding((tokens[:, 0] + tokens[:, 1]) / 2, tokens, mask)

"""Whisper's encoder, on waveforms.

Radford et al. 2022, "Robust speech recognition via large-scale weak supervision", arXiv 2212.04356.
Settings that reproduce the published encoders: samples=480000, eps=1e-5, and

    tiny, base          width=384, depth=4, heads=6; width=512, depth=6, heads=8
    small, medium       width=768, depth=12, heads=12; width=1024, depth=24, heads=16
    large, large-v3     width=1280, depth=32, heads=20; of large-v3, spectrogram={'mels': 128}
"""

from __future__ import annotations

import math
from functools import partial
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.audio import AudioEncoder, Fusion
from mmjax.encoders.audio_augmentation import NO_AUGMENTATION, AudioAugmentation
from mmjax.encoders.base import EncoderError, Encoding
from mmjax.encoders.initializers import initialization
from mmjax.encoders.spectrogram import Spectrogram
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import Count

# (log10 x + 4) / 4
WHISPER = Spectrogram(
    rate=16_000,
    window=400,
    hop=160,
    fft=400,
    mels=80,
    low=0.0,
    high=8000.0,
    style="whisper",
    floor=1e-10,
    mean=-4 * math.log(10),
    std=4 * math.log(10),
)


class Whisper(AudioEncoder):
    """Two convolutions and a transformer, f[B, N] -> pooled f[B, W], tokens f[B, T, W].

    A shorter audio is padded to `samples`, which the transformer attends to, as Whisper does.
    `pooled` is the mean of the tokens.

    Args:
      samples: the most that the network sees at once; longer audio is cut, see `fusion`.
      spectrogram: see `Spectrogram`.
      augment: in training, see `AudioAugmentation`.
      fusion: how segments of longer audio become one vector, see `SegmentFusion`; `none` refuses
        longer audio.
      mask_padding: whether the mean is over tokens of the audio only, and not of its padding.
      width, depth, heads, mlp_width, activation, eps, dropout, drop_path, init, scan, remat: see
        `Transformer`.
      dtype: of the network; parameters and spectrograms are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(width=512, depth=6, heads=8, eps=1e-5)

    def __init__(
        self,
        *,
        samples: Count = 480_000,
        spectrogram: Spectrogram = WHISPER,
        augment: AudioAugmentation = NO_AUGMENTATION,
        fusion: Fusion = "none",
        mask_padding: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        self._begin(samples, spectrogram, augment, fusion)
        frames = spectrogram.frames(samples)
        if frames < 2:
            raise EncoderError(f"samples={samples} are fewer than two frames of {spectrogram.hop}")
        self.mask_padding, self.dtype = mask_padding, dtype
        conv = partial(nnx.Conv, kernel_size=(3,), padding=1, dtype=dtype, rngs=rngs)
        self.convs = nnx.List(
            (conv(spectrogram.mels, config.width), conv(config.width, config.width, strides=2))
        )
        start = initialization(config.init, width=config.width, depth=config.depth).position
        shape = ((frames + 1) // 2, config.width)
        self.position = nnx.Param(start(rngs.params(), shape, jnp.float32))
        self.transformer = Transformer(dtype=dtype, rngs=rngs, **config.options())
        self._end(config.width, config.heads, dtype, rngs)

    def _encode(
        self,
        x: jax.Array,
        lengths: jax.Array,
        key: jax.Array | None,
        train: bool,
        rngs: nnx.Rngs | None,
    ) -> Encoding:
        x = jnp.pad(x, ((0, 0), (0, self.samples - x.shape[1])))
        return super()._encode(x, lengths, key, train, rngs)

    def network(
        self, x: jax.Array, mask: jax.Array, train: bool, rngs: nnx.Rngs | None
    ) -> Encoding:
        y = x.astype(self.dtype)
        for conv in self.convs:
            y = jax.nn.gelu(conv(y), approximate=False)
        y = y + self.position[...].astype(self.dtype)
        tokens = self.transformer(y, train=train, rngs=rngs)
        real = mask[:, ::2] if self.mask_padding else None
        return Encoding(pooling.mean(tokens, real), tokens, real)

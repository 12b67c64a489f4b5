"""CNN14: a plain convolutional network over log-mel spectrograms.

Kong et al. 2020, "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern
Recognition", arXiv 1912.10211, table 2. It is the audio tower of Elizalde et al. 2023 (CLAP, arXiv
2206.04769). The published size is that of the defaults, with samples=320000 (10 s).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.audio import AudioEncoder, Fusion
from mmjax.encoders.audio_augmentation import NO_AUGMENTATION, AudioAugmentation
from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_rate
from mmjax.encoders.layers import dropout, dropout_key, fold_in
from mmjax.encoders.residual import Norm, NormKind, convolution, masked
from mmjax.encoders.spectrogram import Spectrogram
from mmjax.schema.bounds import BelowOne, Count

PANNS = Spectrogram(rate=32_000, window=1024, hop=320, fft=1024, mels=64, low=50.0, high=14_000.0)


class CNN14(AudioEncoder):
    """Stages of two 3x3 convolutions, each halved after; f[B, N] -> pooled f[B, W].

    A norm for every band; then, for each of `widths`, twice (convolution, norm, ReLU) and, but for
    the last, a mean over 2 x 2; the mean over the bands; the mean plus the maximum over time; a
    linear layer and a ReLU. `tokens` f[B, T', W] are the map before the pooling over time, and
    T' = T / 2^(stages - 1), rounded up: where PANNs drops an odd last frame, it is a mean of its
    own here. Padding is zero in every layer and in no statistic.

    Args:
      samples: the most that the network sees at once; longer audio is cut, see `fusion`.
      spectrogram: see `Spectrogram`; `mels` is divisible by 2^(stages - 1).
      augment: in training, see `AudioAugmentation`.
      fusion: how segments of longer audio become one vector, see `SegmentFusion`; `none` refuses
        longer audio.
      fusion_heads: of the attention among segments.
      widths: channels of each stage.
      norm: `batch`, `group` or `layer`, see `Norm`; only `batch` has one for the bands, too.
      dropout: rate after each stage (0.2 in PANNs), and 2.5 times as much around the linear layer.
      dtype: of the network; parameters, norms and spectrograms are float32.
      rngs: for the initial parameters.

    Attributes:
      width: W, the last of `widths`.
    """

    def __init__(
        self,
        *,
        samples: Count,
        spectrogram: Spectrogram = PANNS,
        augment: AudioAugmentation = NO_AUGMENTATION,
        fusion: Fusion = "none",
        fusion_heads: Count = 4,
        widths: tuple[Count, ...] = (64, 128, 256, 512, 1024, 2048),
        norm: NormKind = "batch",
        dropout: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_choice("norm", norm, NormKind)
        check_rate("dropout", 2.5 * dropout)
        if not widths or min(widths) < 1:
            raise EncoderError(f"widths={tuple(widths)}: every stage needs at least one channel")
        if spectrogram.mels % 2 ** (len(widths) - 1):
            raise EncoderError(
                f"mels={spectrogram.mels} is not divisible by {2 ** (len(widths) - 1)}, as "
                f"{len(widths)} stages need"
            )
        self._begin(samples, spectrogram, augment, fusion)
        self.dropout, self.dtype = dropout, dtype
        common: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.band_norm = Norm(spectrogram.mels, kind=norm, **common) if norm == "batch" else None
        sizes = [(a, b) for a, b in zip((1, *widths), widths, strict=False)]
        self.convs = nnx.List(
            convolution(3, inputs, b, **common) for a, b in sizes for inputs in (a, b)
        )
        self.norms = nnx.List(Norm(b, kind=norm, **common) for _, b in sizes for _ in range(2))
        self.linear = nnx.Linear(
            widths[-1], widths[-1], kernel_init=nnx.initializers.he_normal(), **common
        )
        self._end(widths[-1], fusion_heads, dtype, rngs)

    def network(
        self, x: jax.Array, mask: jax.Array, train: bool, rngs: nnx.Rngs | None
    ) -> Encoding:
        key = dropout_key(rngs, train, self.dropout)
        keys = [None if key is None else fold_in(key, i) for i in range(len(self.convs) // 2 + 2)]
        real = mask[:, :, None, None]
        if self.band_norm is not None:
            x = self.band_norm(x[:, :, None], train=train, mask=real)[:, :, 0]
        y = masked(x[..., None].astype(self.dtype), real)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = masked(jax.nn.relu(norm(conv(y), train=train, mask=real)), real)
            if i % 2:
                if i < len(self.convs) - 1:
                    y, real = halve(y, real)
                y = dropout(y, self.dropout, keys[i // 2])
        tokens, real = y.mean(axis=2), real[:, :, 0]
        # After the last ReLU no real value is below the zeros of padding.
        y = pooling.mean(tokens, real[..., 0]) + pooling.largest(tokens)
        y = dropout(y, 2.5 * self.dropout, keys[-2])
        y = dropout(jax.nn.relu(self.linear(y)), 2.5 * self.dropout, keys[-1])
        return Encoding(y, tokens, real[..., 0])


def halve(x: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means of 2 x 2, over the frames that are real; an odd last frame is a mean of its own.

    Args:
      x: f[B, T, F, C], zero where it is padding; F is even.
      mask: bool[B, T, 1, 1].

    Returns:
      f[B, ceil(T / 2), F / 2, C], and its mask.
    """
    odd = ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0))
    x, mask = jnp.pad(x, odd), jnp.pad(mask, odd)
    rows, frames, bands, channels = x.shape
    x = x.reshape(rows, frames // 2, 2, bands // 2, 2, channels).mean(axis=4).sum(axis=2)
    count = mask.reshape(rows, frames // 2, 2, 1, 1).sum(axis=2)
    return x / jnp.maximum(count, 1).astype(x.dtype), count > 0

"""Encoders of waveforms: augmentation and log-mel spectrogram on the device, then a network.

Audio is f[B, N] at the rate of the encoder's `spectrogram`. A clip ends at its last sample that is
not 0; padding after that changes nothing. An audio of more than `samples` samples is cut into
segments of `samples`, which the network encodes one by one, and `fusion` makes one vector of them.
"""

from __future__ import annotations

from typing import Literal, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.ast import SpectrogramTransformer
from mmjax.encoders.audio_augmentation import (
    NO_AUGMENTATION,
    AudioAugmentation,
    change_waves,
    mask_spectrograms,
)
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import dropout_key, fold_in, layer_norm, split_key
from mmjax.encoders.positions import check_sincos_width, sincos
from mmjax.encoders.spectrogram import Spectrogram, lengths_of, log_mel
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import Count, Moderate

# What the published weights were trained on.
AST = Spectrogram(
    rate=16_000,
    window=400,
    hop=160,
    fft=512,
    mels=128,
    low=20.0,
    style="kaldi",
    scale="htk",
    floor=2.0**-23,
    mean=-4.2677393,
    std=2 * 4.5689974,
)
Fusion = Literal["none", "attention", "mean", "max"]


class SegmentFusion(nnx.Module):
    """One vector of the vectors of a long audio's segments, f[B, S, W] -> f[B, W].

    `attention`: a learned probe attends over time to the segments and their positions,
    softmax_t(q·(K u_t + K p_t) / sqrt(W / heads)), as CoLLAP's temporal attention fusion does with
    the text as its query (Wu et al. 2025, arXiv 2410.02271); a residual MLP follows
    (`AttentionPooling`). `mean` and `max` are its ablations.
    """

    def __init__(self, *, kind: Fusion, width: int, heads: int, dtype: DTypeLike, rngs: nnx.Rngs):
        self.kind, self.width, self.dtype = kind, width, dtype
        if kind == "attention":
            check_sincos_width(width, axes=1)
            init = initialization("xavier", width=width, depth=1)
            self.norm = layer_norm(width, eps=1e-6, dtype=dtype, rngs=rngs)
            self.pool = pooling.AttentionPooling(
                width=width,
                heads=heads,
                mlp_width=2 * width,
                activation="gelu",
                eps=1e-6,
                init=init,
                dtype=dtype,
                rngs=rngs,
            )

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        if self.kind == "attention":
            position = jnp.asarray(sincos((x.shape[1],), self.width), self.dtype)
            return self.pool(self.norm(x) + position, mask)
        if self.kind == "max":
            return pooling.largest(jnp.where(mask[:, :, None], x, -jnp.inf))
        return pooling.mean(x, mask)


class AudioEncoder(Encoder):
    """What all encoders of audio do around their network; see the module.

    A subclass has `network(x f32[B, T, mels], mask bool[B, T], train, rngs) -> Encoding` and calls
    `_begin` first and `_end`, with the width of its network, last.
    """

    def network(
        self, x: jax.Array, mask: jax.Array, train: bool, rngs: nnx.Rngs | None
    ) -> Encoding:
        raise NotImplementedError

    def _begin(
        self, samples: int, spectrogram: Spectrogram, augment: AudioAugmentation, fusion: Fusion
    ) -> None:
        check_positive(samples=samples)
        check_choice("fusion", fusion, Fusion)
        self.samples, self.spectrogram, self.augment = samples, spectrogram, augment
        self.fusion_kind = fusion
        if augment.mix:
            # What a row becomes depends on its neighbour. Statistics of a batch say so to those
            # who would take the batch apart (see `AudioAugmentation`).
            self.mixed = nnx.BatchStat(jnp.zeros((), jnp.float32))

    def _end(self, width: int, heads: int, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        self.width = width
        self.fusion = (
            None
            if self.fusion_kind == "none"
            else SegmentFusion(
                kind=self.fusion_kind, width=width, heads=heads, dtype=dtype, rngs=rngs
            )
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes audio f[B, N]; see `mmjax.encoders.base`.

        Where the audio was cut into segments, `tokens` are those of the segments, f[B, S, W], with
        their mask; else those of the network.
        """
        if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
            raise EncoderError(f"audio of shape {x.shape} {x.dtype} where f32[B, N] is expected")
        if x.shape[1] > self.samples and self.fusion is None:
            raise EncoderError(
                f"{x.shape[1]} samples for an encoder of samples={self.samples}: set fusion to cut "
                "them into segments, or crop in the view"
            )
        key = dropout_key(rngs, train, float(self.augment.active), "augmentation")
        lengths = lengths_of(x)
        if key is not None and self.augment.of_waves:
            x, lengths = change_waves(
                x, lengths, self.augment, self.spectrogram.rate, fold_in(key, 0)
            )
            if self.augment.mix:
                self.mixed[...] = 0.9 * self.mixed[...] + 0.1 * jnp.mean(x**2)
        if self.fusion is None:
            return self._encode(x, lengths, key, train, rngs)
        return self._segments(self.fusion, x, lengths, key, train, rngs)

    def _encode(
        self,
        x: jax.Array,
        lengths: jax.Array,
        key: jax.Array | None,
        train: bool,
        rngs: nnx.Rngs | None,
    ) -> Encoding:
        """At most `samples` samples, f[B, N] with lengths i32[B]."""
        y, mask = log_mel(x, lengths, self.spectrogram)
        if key is not None and self.augment.of_spectrograms:
            y = mask_spectrograms(y, mask.sum(axis=1), self.augment, fold_in(key, 1))
        return self.network(y, mask, train, rngs)

    def _segments(
        self,
        fusion: SegmentFusion,
        x: jax.Array,
        lengths: jax.Array,
        key: jax.Array | None,
        train: bool,
        rngs: nnx.Rngs | None,
    ) -> Encoding:
        rows, count = len(x), -(-x.shape[1] // self.samples)
        x = jnp.pad(x, ((0, 0), (0, count * self.samples - x.shape[1])))
        x = x.reshape(rows * count, self.samples)
        left = lengths[:, None] - self.samples * jnp.arange(count)
        mask = (left > 0) | (jnp.arange(count) == 0)  # the first of an audio of zeros, too
        left = jnp.clip(left, 0, self.samples).reshape(-1)
        own = None if rngs is None else dropout_key(rngs, train, 1.0)
        if own is not None:
            rngs = nnx.Rngs(dropout=_each(own, rows, count))
        key = None if key is None else _each(key, rows, count)
        tokens = self._encode(x, left, key, train, rngs).pooled.reshape(rows, count, -1)
        return Encoding(fusion(tokens, mask), tokens, mask)


def _each(key: jax.Array, rows: int, count: int) -> jax.Array:
    """One key or key[B] -> key[B * S], one for each segment."""
    if key.ndim == 0:
        key = jax.random.split(key, rows)
    return jnp.moveaxis(split_key(key, count), 0, 1).reshape(-1)


class AudioTransformer(AudioEncoder):
    """The spectrogram transformer on waveforms, f[B, N] -> pooled f[B, W], tokens f[B, T, W].

    Gong et al. 2021, "AST: Audio Spectrogram Transformer", arXiv 2104.01778: see
    `SpectrogramTransformer`, whose `frames` follow from `samples`. The end of the spectrogram is
    padded so that every frame lies in a patch.

    Args:
      samples: the most that the network sees at once; longer audio is cut, see `fusion`.
      spectrogram: see `Spectrogram`.
      augment: in training, see `AudioAugmentation`.
      fusion: how segments of longer audio become one vector, see `SegmentFusion`; `none` refuses
        longer audio.
      patch, stride: of the patches; (time, frequency).
      mask_padding: whether nothing attends to padding; the published AST attended to it.
      padding: value of the frames of padding in the normalised spectrogram, which counts where
        they are not masked; the published AST has 0 before it normalises, -mean / std after it.
      width, depth, heads, mlp_width, activation, eps, dropout, drop_path, init, scan, remat: see
        `Transformer`.
      dtype: of the network; parameters and spectrograms are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(eps=1e-12)

    def __init__(
        self,
        *,
        samples: Count,
        spectrogram: Spectrogram = AST,
        augment: AudioAugmentation = NO_AUGMENTATION,
        fusion: Fusion = "none",
        patch: Count = 16,
        stride: tuple[Count, Count] = (10, 10),
        mask_padding: bool = True,
        padding: Moderate = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        self._begin(samples, spectrogram, augment, fusion)
        check_positive(patch=patch, stride=min(stride))
        self.mask_padding, self.padding = mask_padding, padding
        more = max(spectrogram.frames(samples) - patch, 0)
        self.transformer = SpectrogramTransformer(
            frames=patch + -(-more // stride[0]) * stride[0],
            mels=spectrogram.mels,
            patch=patch,
            stride=stride,
            dtype=dtype,
            rngs=rngs,
            **config.options(),
        )
        self._end(config.width, config.heads, dtype, rngs)

    def network(
        self, x: jax.Array, mask: jax.Array, train: bool, rngs: nnx.Rngs | None
    ) -> Encoding:
        patch, step = self.transformer.patch, self.transformer.stride[0]
        frames = patch + -(-max(x.shape[1] - patch, 0) // step) * step
        wider = ((0, 0), (0, frames - x.shape[1]))
        x, mask = jnp.pad(x, (*wider, (0, 0))), jnp.pad(mask, wider)
        if self.padding:
            x = jnp.where(mask[:, :, None], x, self.padding)
        return self.transformer(x, mask=mask if self.mask_padding else None, train=train, rngs=rngs)

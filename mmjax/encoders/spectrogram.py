"""Waveforms to log-mel spectrograms, on the device.

Three styles that published models were trained on:

* `centred`: frame t is centred on sample t * hop, with zeros beyond the ends, a periodic Hann
  window, and triangles that are linear in Hz, of equal area (librosa's `melspectrogram`; PANNs,
  CLAP).
* `whisper`: the same, but for the waveform's reflection beyond the ends, no frame centred on the
  end, and values of at least 1e-8 of the loudest; padding is silence, and no number that stands for
  it.
* `kaldi`: whole frames only; the mean of each frame is taken off, then a pre-emphasis of 0.97, a
  symmetric Hann window, and triangles that are linear in mel (Kaldi's `fbank`; AST, BEATs).

A waveform of N samples ends where its last sample that is not 0 stands: zeros that follow are
padding, as the view `audio` makes it. Everything after that end is masked, so that an example is
the same whatever it was padded to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax import mel
from mmjax.encoders.base import EncoderError, check_choice, check_positive
from mmjax.mel import MelScale
from mmjax.schema.bounds import Count, Factor, Moderate, NonNegative, Positive

Style = Literal["centred", "kaldi", "whisper"]
PRE_EMPHASIS = 0.97  # of Kaldi
_RANGE = 8 * math.log(10)  # of Whisper


@dataclass(frozen=True)
class Spectrogram:
    """Settings of a log-mel spectrogram, ln(max(mel power, floor)), then (x - mean) / std.

    Those of published models are `audio.AST` and `cnn14.PANNS`.

    Attributes:
      rate: samples per second; the view has to give the same.
      window: samples of a frame.
      hop: samples from one frame to the next.
      fft: length of the Fourier transform, at least `window`.
      mels: number of bands.
      low, high: Hz of the lowest and the highest edge; half of the rate where `high` is None.
      style: see the module.
      scale: mel scale: `slaney`, linear below 1 kHz, or `htk`, 2595 log10(1 + f / 700).
      floor: the least power.
      mean, std: of the normalisation of the logarithms.
    """

    rate: Count = 16_000
    window: Count = 400
    hop: Count = 160
    fft: Count = 512
    mels: Count = 64
    low: NonNegative = 50.0
    high: Positive | None = None
    style: Style = "centred"
    scale: MelScale = "slaney"
    floor: NonNegative = 1e-10
    mean: Moderate = 0.0
    std: Factor = 1.0

    def __post_init__(self) -> None:
        check_positive(
            rate=self.rate, window=self.window, hop=self.hop, fft=self.fft, mels=self.mels
        )
        check_choice("style", self.style, Style)
        check_choice("scale", self.scale, MelScale)
        if self.fft < self.window:
            raise EncoderError(f"fft={self.fft} is below window={self.window}: a frame is cut")
        if self.mels > self.fft // 2 + 1:
            raise EncoderError(
                f"mels={self.mels} is above the {self.fft // 2 + 1} frequencies of fft={self.fft}"
            )
        if not 0 <= self.low < self.top <= self.rate / 2:
            raise EncoderError(
                f"low={self.low} and high={self.top}: bands lie between 0 and half of "
                f"rate={self.rate}, and low is below high"
            )
        if self.style == "kaldi" and self.scale != "htk":
            raise EncoderError("style='kaldi' has the mel scale 'htk' only: set scale='htk'")
        if self.floor <= 0 or self.std <= 0:
            raise EncoderError(f"floor={self.floor} and std={self.std} have to be above 0")

    @property
    def top(self) -> float:
        """Hz of the highest edge."""
        return self.rate / 2 if self.high is None else self.high

    def frames(self, samples: int) -> int:
        """How many frames a waveform of so many samples has."""
        if self.style == "centred":
            return 1 + samples // self.hop
        if self.style == "whisper":
            return samples // self.hop
        return 1 + (max(samples, self.window) - self.window) // self.hop

    def real_frames(self, lengths: jax.Array) -> jax.Array:
        """How many frames waveforms of these lengths have before their padding, at least 1.

        Args:
          lengths: i32[B], in samples.

        Returns:
          i32[B]: of `centred` frames, those whose centre lies inside; of others, the whole ones.
        """
        if self.style != "kaldi":
            return jnp.maximum(-(-lengths // self.hop), 1)
        return 1 + jnp.maximum(lengths - self.window, 0) // self.hop


def lengths_of(audio: jax.Array) -> jax.Array:
    """Samples up to the last one that is not 0: f[B, N] -> i32[B]."""
    places = jnp.arange(1, audio.shape[1] + 1, dtype=jnp.int32)
    return jnp.max(jnp.where(audio != 0, places, 0), axis=1)


def log_mel(
    audio: jax.Array, lengths: jax.Array, settings: Spectrogram
) -> tuple[jax.Array, jax.Array]:
    """Log-mel spectrograms of waveforms.

    Args:
      audio: f[B, N], zeros from `lengths` on.
      lengths: i32[B].
      settings: of the spectrogram.

    Returns:
      f32[B, T, mels], which is 0, the mean, at padding (but for Whisper's); and bool[B, T], True at
      frames before it.
    """
    x = _frames(audio.astype(jnp.float32), settings)
    if settings.style == "kaldi":
        x = x - x.mean(axis=-1, keepdims=True)
        before = jnp.concatenate([x[..., :1], x[..., :-1]], axis=-1)
        x = x - PRE_EMPHASIS * before
    x = x * jnp.asarray(_window(settings))
    spectrum = jnp.fft.rfft(x, n=settings.fft, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    # In full precision: on a TPU the product would be of bfloat16, three digits of the power.
    bands = jnp.einsum(
        "btf,fm->btm", power, jnp.asarray(filterbank(settings)), precision=jax.lax.Precision.HIGHEST
    )
    y = jnp.log(jnp.maximum(bands, settings.floor))
    if settings.style == "whisper":
        y = jnp.maximum(y, y.max(axis=(1, 2), keepdims=True) - _RANGE)
    y = (y - settings.mean) / settings.std
    mask = jnp.arange(y.shape[1]) < settings.real_frames(lengths)[:, None]
    if settings.style == "whisper":
        return y, mask
    return jnp.where(mask[:, :, None], y, 0.0), mask


def _frames(audio: jax.Array, settings: Spectrogram) -> jax.Array:
    """The samples of every frame, f[B, N] -> f[B, T, fft]; of Kaldi's, f[B, T, window]."""
    count, kaldi = settings.frames(audio.shape[1]), settings.style == "kaldi"
    size = settings.window if kaldi else settings.fft
    before = 0 if kaldi else settings.fft // 2
    after = max((count - 1) * settings.hop + size - before - audio.shape[1], 0)
    mode = "reflect" if settings.style == "whisper" else "constant"
    audio = jnp.pad(audio, ((0, 0), (before, after)), mode)
    # A gather of whole slices, which accelerators copy; one of single samples is slow.
    starts = jnp.arange(count) * settings.hop

    def slice_at(start: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(audio, start, size, axis=1)

    return jnp.moveaxis(jax.vmap(slice_at)(starts), 0, 1)


@lru_cache(maxsize=32)
def _window(settings: Spectrogram) -> np.ndarray:
    """The Hann window, f32[window], or f32[fft] with zeros around it where frames are centred."""
    size = settings.window
    if settings.style == "kaldi":
        return np.hanning(size).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    left = (settings.fft - size) // 2
    return np.pad(window, (left, settings.fft - size - left)).astype(np.float32)


@lru_cache(maxsize=32)
def filterbank(settings: Spectrogram) -> np.ndarray:
    """Triangles that sum power spectra to mel bands, f32[1 + fft // 2, mels]."""
    kaldi = settings.style == "kaldi"
    bands = mel.triangles(
        rate=settings.rate,
        fft=settings.fft,
        mels=settings.mels,
        low=settings.low,
        high=settings.top,
        scale=settings.scale,
        linear_in="mel" if kaldi else "hertz",
        equal_areas=not kaldi,
    )
    if kaldi:
        bands = bands.copy()
        bands[-1] = 0  # Kaldi leaves out the bin at half of the rate
    return bands

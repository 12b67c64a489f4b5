"""Sounds to log-mel spectrograms, as CLAP is trained on them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mmjax import mel
from mmjax.data.formats.sounds import Rate, read_sound, resample
from mmjax.data.views.base import View, pick, required
from mmjax.errors import ConfigError
from mmjax.schema.bounds import Count, NonNegative, Positive

_LEAST = 1e-10  # power
_FRAMES = 2048


class LogMelView(View):
    """A sound as its log-mel spectrogram in decibels, f32[1 + samples // hop, mels].

    What `ClapFeatureExtractor` of `transformers` makes (Wu et al. 2023, arXiv 2211.06687), which
    the encoder `htsat` takes. The value is what the view `audio` takes. Of a longer sound there is
    the beginning (in training a random part); with `fusion` there are four spectrograms of every
    sound, f32[4, 1 + samples // hop, mels]: all of it, shrunk, and a part of each third (the middle
    one; in training a random one). Of sounds that are not longer all four are the same.

    Args:
      rate: samples per second, the encoder's.
      seconds: how much of a sound is seen.
      window: samples of a frame, and of its Fourier transform.
      hop: samples from one frame to the next.
      mels: number of bands.
      low, high: Hz of the lowest and the highest edge.
      filters: `slaney`, triangles of equal area on Slaney's mel scale; or `htk`, on HTK's with
        their tops at 1, on which models with fusion are trained.
      padding: what follows a shorter sound: `repeatpad`, the sound as often as it fits, and zeros;
        `repeat`, the sound again and again; or `pad`, zeros.
      fusion: whether to make four spectrograms.
      max_seconds: a longer file is refused, since its decoding could take all memory.

    Attributes:
      shape: (frames, mels), or (4, frames, mels).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        rate: Rate = 48_000,
        seconds: Count = 10,
        window: Count = 1024,
        hop: Count = 480,
        mels: Count = 64,
        low: NonNegative = 0.0,
        high: Positive = 14_000.0,
        filters: mel.MelScale = "slaney",
        padding: Literal["repeatpad", "repeat", "pad"] = "repeatpad",
        fusion: bool = False,
        max_seconds: Positive = 1200.0,
    ):
        if not low < high <= rate / 2:
            raise ConfigError(
                f"log_mel view: low={low} and high={high} must rise, between 0 and half of "
                f"rate={rate}"
            )
        self.rate, self.window, self.hop = rate, window, hop
        self.samples, self.padding, self.fusion = seconds * rate, padding, fusion
        self.max_seconds = max_seconds
        bands = mel.triangles(
            rate=rate,
            fft=window,
            mels=mels,
            low=low,
            high=high,
            scale=filters,
            equal_areas=filters == "slaney",
        )
        self._filters = bands.astype(np.float64)
        self.frames = 1 + self.samples // hop
        self.shape = (4, self.frames, mels) if fusion else (self.frames, mels)
        self.dtype = np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x, rate = read_sound(pick(value, rng, train), self.max_seconds)
        x = resample(x, self.rate if rate is None else rate, self.rate)
        if len(x) > self.samples and self.fusion:
            return self._four(self._log_mel(x), rng if train else None)
        if len(x) > self.samples:
            start = required(rng).integers(len(x) - self.samples + 1) if train else 0
            x = x[start : start + self.samples]
        if self.padding != "pad":
            times = self.samples // len(x) + (self.padding == "repeat")
            x = np.tile(x, times)[: self.samples]
        y = self._log_mel(np.pad(x, (0, self.samples - len(x))))
        return np.broadcast_to(y, self.shape)

    def _four(self, y: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """All of a longer sound, shrunk, and a part of each third, f32[4, frames, bands]."""
        starts = len(y) - self.frames + 1
        if starts == 1:  # longer by less than a frame
            return np.broadcast_to(y, self.shape)
        # The whole: linear between the nearest two frames.
        where = (np.arange(self.frames) + 0.5) * (len(y) / self.frames) - 0.5
        left = np.clip(where, 0, None).astype(int)
        part = (np.clip(where, 0, None) - left)[:, None].astype(np.float32)
        whole = (1 - part) * y[left] + part * y[np.minimum(left + 1, len(y) - 1)]
        parts = []
        for third in np.array_split(np.arange(starts), 3):
            third = third if len(third) else np.zeros(1, int)  # fewer starts than parts
            begin = third[len(third) // 2] if rng is None else rng.choice(third)
            parts.append(y[begin : begin + self.frames])
        return np.stack([whole, *parts])

    def _log_mel(self, x: np.ndarray) -> np.ndarray:
        half = self.window // 2
        x = np.pad(x, (half, half), mode="reflect").astype(np.float64)
        frames = np.lib.stride_tricks.sliding_window_view(x, self.window)[:: self.hop]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        found = []
        for start in range(0, len(frames), _FRAMES):  # twenty minutes at once are gigabytes
            power = np.abs(np.fft.rfft(frames[start : start + _FRAMES] * hann)) ** 2
            found.append(10 * np.log10(np.maximum(power @ self._filters, _LEAST)))
        return np.concatenate(found).astype(np.float32)

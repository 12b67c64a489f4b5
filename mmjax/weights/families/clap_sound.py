"""Sounds as CLAP was trained on them: what `ClapFeatureExtractor` makes of one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.data.formats.sounds import read_sound, resample
from mmjax.data.views.base import pick, required
from mmjax.encoders.spectrogram import Spectrogram, filterbank
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options

DEFAULTS = {
    "feature_size": 64,
    "sampling_rate": 48_000,
    "hop_length": 480,
    "max_length_s": 10,
    "fft_window_size": 1024,
    "frequency_min": 0,
    "frequency_max": 14_000,
    "truncation": "fusion",
    "padding": "repeatpad",
}
_LEAST = 1e-10  # power
_MAX_SECONDS = 1200.0
_FRAMES = 2048


class ClapSound:
    """A sound as its log-mel spectrogram in decibels, f32[1 + samples // hop, bands].

    The value is what the view `audio` takes. A shorter sound is repeated as often as it fits, and
    zeros follow. Of a longer one there is the beginning (in training a random part); for a model
    that fuses there are four spectrograms of every sound, f32[4, 1 + samples // hop, bands]: all of
    it, shrunk, and a part of each third (the middle one; in training a random one). Of sounds that
    are not longer all four are the same.

    Args:
      config: of `preprocessor_config.json`.
      fuses: whether the model fuses the parts of longer sounds.

    Raises:
      WeightsError: for options that are not supported.
    """

    reads_text = False

    def __init__(self, config: Mapping[str, Any], *, fuses: bool = False):
        options = Options(config, DEFAULTS, "preprocessor_config.json")
        self._options, self._fuses = dict(config), fuses
        if options["padding"] not in ("repeatpad", "repeat", "pad"):
            raise WeightsError(
                f"preprocessor_config.json: padding={options['padding']!r} is none of repeatpad, "
                "repeat, pad"
            )
        # Models with feature fusion were trained on other triangles.
        fused = options["truncation"] == "fusion"
        if fuses and not fused:
            raise WeightsError(
                f"preprocessor_config.json: truncation={options['truncation']!r}, and the model "
                "fuses parts of longer sounds: its extractor has truncation='fusion'"
            )
        self.padding, self.rate = options["padding"], options.size("sampling_rate")
        self.samples = options.size("max_length_s") * self.rate
        self.window, self.hop = options.size("fft_window_size"), options.size("hop_length")
        mels = options.size("feature_size")
        settings = Spectrogram(
            rate=self.rate,
            window=self.window,
            hop=self.hop,
            fft=self.window,
            mels=mels,
            low=float(options["frequency_min"]),
            high=float(options["frequency_max"]),
            scale="htk" if fused else "slaney",
        )
        self._filters = filterbank(settings).astype(np.float64)
        if fused:
            # Their tops are at 1, and not their areas.
            low, top = (2595 * np.log10(1 + f / 700) for f in (settings.low, settings.top))
            edges = 700 * (10 ** (np.linspace(low, top, mels + 2) / 2595) - 1)
            self._filters *= (edges[2:] - edges[:-2]) / 2
        self.frames = 1 + self.samples // self.hop
        self.shape = (4, self.frames, mels) if fuses else (self.frames, mels)
        self.dtype = np.dtype(np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), fuses=self._fuses), (self._options,)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x, rate = read_sound(pick(value, rng, train), _MAX_SECONDS)
        x = resample(x, self.rate if rate is None else rate, self.rate)
        if len(x) > self.samples and self._fuses:
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

"""Sounds as CLAP was trained on them: what `ClapFeatureExtractor` makes of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.checkpoints.weights.files import WeightsError
from mmjax.checkpoints.weights.hf_options import Options
from mmjax.data.views.base import pick
from mmjax.data.views.waves import read_sound, resample
from mmjax.encoders.spectrogram import Spectrogram, filterbank

DEFAULTS = {
    "feature_size": 64, "sampling_rate": 48_000, "hop_length": 480, "max_length_s": 10,
    "fft_window_size": 1024, "frequency_min": 0, "frequency_max": 14_000,
    "truncation": "fusion", "padding": "repeatpad",
}  # fmt: skip
_LEAST = 1e-10  # power
_MAX_SECONDS = 1200.0


class ClapSound:
    """A sound as its log-mel spectrogram in decibels, f32[1 + samples // hop, bands].

    The value is what the view `audio` takes. A shorter sound is repeated as often as it fits, and
    zeros follow; of a longer one the beginning is taken (in training a random part), where models
    with feature fusion would see all of it.

    Args:
      config: of `preprocessor_config.json`.

    Raises:
      WeightsError: for options that are not supported.
    """

    def __init__(self, config: Mapping[str, Any]):
        options = Options(config, DEFAULTS, "preprocessor_config.json")
        self._options = dict(config)
        if options["padding"] not in ("repeatpad", "repeat", "pad"):
            raise WeightsError(
                f"preprocessor_config.json: padding={options['padding']!r} is none of repeatpad, "
                "repeat, pad"
            )
        self.padding, self.rate = options["padding"], options.size("sampling_rate")
        self.samples = options.size("max_length_s") * self.rate
        self.window, self.hop = options.size("fft_window_size"), options.size("hop_length")
        mels = options.size("feature_size")
        # Models with feature fusion were trained on other triangles.
        fused = options["truncation"] == "fusion"
        settings = Spectrogram(
            rate=self.rate, window=self.window, hop=self.hop, fft=self.window, mels=mels,
            low=float(options["frequency_min"]), high=float(options["frequency_max"]),
            scale="htk" if fused else "slaney",
        )  # fmt: skip
        self._filters = filterbank(settings).astype(np.float64)
        if fused:
            # Their tops are at 1, and not their areas.
            ends = [2595 * np.log10(1 + f / 700) for f in (settings.low, settings.top)]
            edges = 700 * (10 ** (np.linspace(*ends, mels + 2) / 2595) - 1)
            self._filters *= (edges[2:] - edges[:-2]) / 2
        self.shape, self.dtype = (1 + self.samples // self.hop, mels), np.dtype(np.float32)

    def __reduce__(self):
        return type(self), (self._options,)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x, rate = read_sound(pick(value, rng, train), _MAX_SECONDS)
        x = resample(x, self.rate if rate is None else rate, self.rate)
        if len(x) > self.samples:
            start = rng.integers(len(x) - self.samples + 1) if train else 0
            x = x[start : start + self.samples]
        if self.padding != "pad":
            times = self.samples // len(x) + (self.padding == "repeat")
            x = np.tile(x, times)[: self.samples]
        return self._log_mel(np.pad(x, (0, self.samples - len(x))))

    def _log_mel(self, x: np.ndarray) -> np.ndarray:
        half = self.window // 2
        x = np.pad(x, (half, half), mode="reflect").astype(np.float64)
        frames = np.lib.stride_tricks.sliding_window_view(x, self.window)[:: self.hop]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        power = np.abs(np.fft.rfft(frames * hann)) ** 2
        return (10 * np.log10(np.maximum(power @ self._filters, _LEAST))).astype(np.float32)

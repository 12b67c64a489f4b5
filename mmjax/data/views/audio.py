"""Sounds to waveforms of a fixed length."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from mmjax.data.formats.sounds import Rate, read_sound, resample
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import Count, Positive

_CACHE_BYTES = 512 * 2**20
_LEAST_POWER = 1e-6


class AudioView(View):
    """A sound as f32[length], mono, at one rate; zeros follow a shorter one.

    The value is encoded bytes (WAV, FLAC, OGG, MP3), the path of a file, or an array, whose rate is
    taken to be the view's. A longer sound is cut: training takes a random part, evaluation the
    beginning. A sound ends at its last sample that is not 0, which is how the encoders of audio
    know its length. Everything random beside the cut is done on the device (`AudioAugmentation`).

    MP3 says nothing of its length, so that one that was cut off is a shorter sound; of the others a
    missing end is an error.

    Args:
      rate: samples per second, the encoder's.
      length: samples.
      normalize: scale every sound to a peak of 1.
      random_crop: whether training cuts at random; False takes the beginning.
      max_seconds: a longer file is refused, since its decoding could take all memory.
      cache_decoded: keep decoded sounds in memory, at most 512 MiB.

    Attributes:
      shape: (length,).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        rate: Rate,
        length: Count,
        normalize: bool = False,
        random_crop: bool = True,
        max_seconds: Positive = 1200.0,
        cache_decoded: bool = False,
    ):
        self.rate, self.normalize, self.random_crop = rate, normalize, random_crop
        self.max_seconds, self.cache_decoded = max_seconds, cache_decoded
        self.shape, self.dtype = (length,), np.dtype(np.float32)
        self._reset_cache()

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        x = self._wave(pick(value, rng, train))
        length = self.shape[0]
        if len(x) > length:
            crops = train and self.random_crop
            start = required(rng).integers(len(x) - length + 1) if crops else 0
            x = x[start : start + length]
            if not x.any():
                raise unusable(f"the {length} samples from {start} on are silent: all are 0")
        return np.pad(x, (0, length - len(x)))

    def content(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Log power spectra f[frames, frequencies]: a sample of a wave has no meaning by its place.

        Frames of about 25 ms under a Hann window, each half over the next; those that are not whole
        before the end of the sound are NaN, except for the first.
        """
        size = min(max(self.rate // 40, 2), len(array))
        hop = max(size // 2, 1)
        frames = np.lib.stride_tricks.sliding_window_view(array, size)[::hop]
        power = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1])) ** 2
        end = np.flatnonzero(array).max(initial=0) + 1
        power[1 + max(end - size, 0) // hop :] = np.nan
        return {"": np.log(power + _LEAST_POWER)}

    def _wave(self, value: Any) -> np.ndarray:
        """The whole sound at the view's rate."""
        kept = self._cache.get(value) if type(value) in (bytes, str) else None
        if kept is not None:
            return kept
        x, rate = read_sound(value, self.max_seconds)
        x = resample(x, self.rate if rate is None else rate, self.rate)
        if self.normalize:
            x = x / np.abs(x).max()
        if self.cache_decoded and type(value) in (bytes, str):
            with self._lock:
                cost = x.nbytes + len(value)
                if self._cache_bytes + cost <= _CACHE_BYTES and value not in self._cache:
                    self._cache[value] = x
                    self._cache_bytes += cost
        return x

    def _reset_cache(self) -> None:
        self._cache: dict[bytes | str, np.ndarray] = {}
        self._cache_bytes, self._lock = 0, threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_cache", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset_cache()

"""Signals of any rate to arrays of one: motion, inertial sensors, any channels over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from mmjax.data.formats.signal import (
    MOST_NUMBERS,
    Signal,
    SignalError,
    fill_gaps,
    named,
    normalized,
    resample,
)
from mmjax.data.formats.signal_files import read_signal
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.data.views.signal_augmentation import SignalAugmentation
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, Factor, Portion, Positive

Normalize = Literal["none", "zscore", "minmax"]
UNCHANGED = SignalAugmentation()


class SignalView(View):
    """A signal as f32[length, channels]; what was not measured is NaN.

    The value is a `Signal`, or a dict of its fields, an array [T, channels], or the bytes of a
    `.npy` file of one. It is resampled; training takes a random window of `length` samples and
    augments it, evaluation takes the first `length` samples; the result is normalised. NaN follow a
    shorter signal.

    Args:
      channels: number of channels.
      length: samples of the view.
      rate: its samples a second; None takes signals as they are, whatever their rates.
      source_rate: the rate of values that do not say their own.
      crop: (least, most) share of the window that training keeps, the rest is NaN.
      min_length: a signal with fewer samples, once resampled, is refused.
      max_nan: the share of a channel that may be NaN or infinite, which is filled in by lines.
      max_missing: number of channels that may be unusable; they are NaN then.
      flat: what a channel that is constant is: 'keep' it, or unusable, 'missing'.
      normalize: of each channel in the window: 'none', 'zscore', or 'minmax' to [-1, 1].
      scale: a factor for all, after the normalisation.
      augment: what training changes, see `SignalAugmentation`.

    Attributes:
      shape: (length, channels).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        channels: Count,
        length: Count,
        rate: Positive | None = None,
        source_rate: Positive | None = None,
        crop: tuple[Portion, Portion] = (1.0, 1.0),
        min_length: Count = 1,
        max_nan: BelowOne = 0.0,
        max_missing: CountOrZero = 0,
        flat: Literal["keep", "missing"] = "keep",
        normalize: Normalize = "none",
        scale: Factor = 1.0,
        augment: SignalAugmentation = UNCHANGED,
    ):
        if crop[0] > crop[1]:
            raise ValueError(f"signal view: crop={crop} must be two rising shares")
        if max_missing >= channels:
            raise ValueError(
                f"signal view: max_missing={max_missing} must be below channels={channels}"
            )
        if isinstance(augment, Mapping):
            augment = SignalAugmentation(**augment)
        augment.check(channels, rate)
        self.channels, self.length, self.min_length = channels, length, min_length
        self.rate, self.source_rate, self.crop = rate, source_rate, tuple(crop)
        self.max_nan, self.max_missing = max_nan, max_missing
        self.flat, self.normalize, self.scale, self.augment = flat, normalize, scale, augment
        self.shape, self.dtype = (length, channels), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        return self._render(value, rng, train)

    def _render(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        """f32[length, channels]."""
        try:
            signal = self._signal(pick(value, rng, train))
            x, missing = self._usable(signal)
            if self.rate is not None:
                x = resample(x, self._rate_of(signal), self.rate)
            x = self._clean(x)
        except SignalError as error:
            raise unusable(str(error)) from error
        if len(x) < self.min_length:
            seconds = f" ({len(x) / self.rate:g} s)" if self.rate else ""
            raise unusable(
                f"it has {len(x)} samples{seconds}, fewer than min_length={self.min_length}"
            )
        if train:
            x = self._window(x, required(rng))
            x = self.augment(x, self.rate, required(rng), missing)
        x = normalized(x[: self.length], self.normalize)
        out = np.full((self.length, self.channels), np.nan, np.float32)
        out[: len(x)] = x if self.scale == 1 else x * np.float32(self.scale)
        out[:, missing] = np.nan
        return out

    def _signal(self, value: Any) -> Signal:
        """The value as numbers of the shape that the view takes."""
        if isinstance(value, bytes | bytearray | memoryview):
            value = read_signal(bytes(value))
        if isinstance(value, Mapping):
            fields = {field.name for field in dataclasses.fields(Signal)}
            if "samples" not in value or not set(value) <= fields:
                raise SignalError(f"it is a dict of {named(list(value))}, no signal")
            value = Signal(**value)
        if not isinstance(value, Signal):
            value = Signal(value, self.source_rate)
        try:
            samples = np.asarray(value.samples)
            if samples.dtype.kind not in "fiu":
                raise TypeError(f"its values are of type {samples.dtype}")
            samples = samples.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise SignalError(f"it is no array of numbers: {error}") from error
        if samples.ndim != 2 or not samples.size:
            raise SignalError(
                f"its shape is {list(samples.shape)}, but a signal is [samples, channels]"
            )
        if samples.size > MOST_NUMBERS:
            raise SignalError(f"it holds {samples.size} numbers, more than {MOST_NUMBERS}")
        return self._ordered(Signal(samples, value.rate, value.channels, value.units))

    def _ordered(self, signal: Signal) -> Signal:
        """The signal with the view's channels in their order."""
        count = signal.samples.shape[1]
        if count != self.channels:
            hint = ""
            if len(signal.samples) == self.channels:
                hint = "; samples come first, so transpose it"
            raise SignalError(f"it has {count} channels, and the view {self.channels}{hint}")
        return signal

    def _rate_of(self, signal: Signal) -> float:
        rate = self.source_rate if signal.rate is None else signal.rate
        if rate is None:
            raise SignalError(
                "it has no sampling rate: set source_rate in the view, or rate=None to "
                "take it as it is"
            )
        if not 0 < rate < np.inf:
            raise SignalError(f"its sampling rate is {rate} Hz")
        return rate

    def _usable(self, signal: Signal) -> tuple[np.ndarray, list[int]]:
        """The samples without NaN, and the channels that are missing."""
        x, bad = fill_gaps(signal.samples, self.max_nan)
        if self.flat == "missing":
            for channel in np.flatnonzero(np.ptp(x, axis=0) == 0):
                bad.setdefault(int(channel), f"is flat, {x[0, channel] + 0.0:g} throughout")
        if len(bad) > self.max_missing:
            names = signal.channels or [str(i) for i in range(self.channels)]
            first = next(iter(bad))
            others = [names[i] for i in list(bad)[1:]]
            more = f", and {named(others)} cannot be used either" if others else ""
            raise SignalError(
                f"channel {names[first]} {bad[first]}{more}; max_missing={self.max_missing}"
            )
        return x, sorted(bad)

    def _clean(self, x: np.ndarray) -> np.ndarray:
        """What is done to f32[T, channels] at the view's rate before a window is taken."""
        return x

    def _window(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random window of the signal."""
        count = min(len(x), self.length)
        if self.crop != (1.0, 1.0):
            least, most = self.crop
            count = max(1, round(count * rng.uniform(least, most)))
        start = rng.integers(len(x) - count + 1)
        return x[start : start + count]

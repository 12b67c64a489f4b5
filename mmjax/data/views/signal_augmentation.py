"""Signal augmentation: changes that a patient, an electrode or a wrist could have made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmjax.schema.bounds import Factor, Fraction, NonNegative, Positive

SLOWEST, FASTEST = 0.05, 0.5  # Hz, of baseline wander: breathing and moving electrodes
SPEEDS = (0.75, 0.75, 1.25, 1.25)  # of the segments that are stretched and squeezed


@dataclass(frozen=True)
class SignalChanges:
    """Options of signal augmentation, applied in this order; the default changes nothing.

    A view does it on the host (`SignalAugmentation` here), or a tower on the device
    (`mmjax.model.augment_signals`), in the same distribution.

    Attributes:
      warp: probability that the halves of four segments are stretched or squeezed by a quarter, two
        each, which leaves the length as it is (MoRE, arXiv 2410.16239).
      permute: probability that four segments change places.
      rotate: the largest turn, in degrees, about an axis drawn evenly; channels are x, y, z of one
        or several sensors on one body, which turn together (Um et al. 2017, arXiv 1706.00527).
      scale: (least, most) factor of the amplitude, one for all channels.
      scale_channels: standard deviation of a factor of each channel around 1.
      wander: the largest amplitude of a slow wave (0.05 to 0.5 Hz) with another share in each
        channel, in units of the signal.
      powerline: the largest amplitude of the mains' hum, likewise.
      mains: its frequency in Hz, 50 or 60.
      noise: standard deviation of Gaussian noise, in units of the signal.
      drop_channels: probability that a channel is missing; one is always left.
    """

    warp: Fraction = 0.0
    permute: Fraction = 0.0
    rotate: NonNegative = 0.0
    scale: tuple[Factor, Factor] = (1.0, 1.0)
    scale_channels: NonNegative = 0.0
    wander: NonNegative = 0.0
    powerline: NonNegative = 0.0
    mains: Positive = 50.0
    noise: NonNegative = 0.0
    drop_channels: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"augment.scale={self.scale} must be two rising numbers")

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        amounts = (
            self.warp,
            self.permute,
            self.rotate,
            self.scale_channels,
            self.wander,
            self.powerline,
            self.noise,
            self.drop_channels,
        )
        return any(amounts) or tuple(self.scale) != (1.0, 1.0)

    def check(self, channels: int, rate: float | None) -> None:
        """Raises ValueError for what signals of so many channels at this rate cannot have."""
        if self.rotate and channels % 3:
            raise ValueError(
                f"augment.rotate={self.rotate} turns channels by three, x, y and z, but there are "
                f"{channels}"
            )
        if rate is None and (self.wander or self.powerline):
            raise ValueError("augment.wander and augment.powerline need the view's rate in Hz")
        if self.powerline and rate is not None and rate <= 2 * self.mains:
            raise ValueError(
                f"augment.powerline: a rate of {rate:g} Hz cannot hold the mains' {self.mains:g} "
                "Hz, which resampling has filtered out; use a rate above twice of it, or 0"
            )


@dataclass(frozen=True)
class SignalAugmentation(SignalChanges):
    """Random augmentation of a signal f[T, C], on the host."""

    def __call__(
        self,
        x: np.ndarray,
        rate: float | None,
        rng: np.random.Generator,
        missing: Sequence[int] = (),
    ) -> np.ndarray:
        """f32[T, C] -> f32[T, C]; a channel that is dropped is NaN, and one that is there is left.

        `missing` are channels that were not measured, whatever stands in for them.
        """
        if self.warp and rng.random() < self.warp:
            x = warp(x, rng)
        if self.permute and rng.random() < self.permute:
            x = permute(x, rng)
        if self.rotate:
            x = rotate(x, rotation(rng, self.rotate))
        factor = rng.uniform(*self.scale)
        if self.scale_channels:
            factor = factor * rng.normal(1, self.scale_channels, x.shape[1])
        if np.any(factor != 1):
            x = x * np.float32(factor)
        for amplitude, low, high in (
            (self.wander, SLOWEST, FASTEST),
            (self.powerline, self.mains, self.mains),
        ):
            if amplitude:
                assert rate is not None
                x = x + amplitude * rng.random() * wave(rng, x.shape, rng.uniform(low, high), rate)
        if self.noise:
            x = x + np.float32(self.noise) * rng.standard_normal(x.shape, np.float32)
        if self.drop_channels:
            dropped = rng.random((x.shape[1],)) < self.drop_channels
            there = np.setdiff1d(np.arange(x.shape[1]), missing)
            dropped[rng.choice(there)] = False
            x = np.where(dropped, np.float32(np.nan), x)
        return x


def wave(
    rng: np.random.Generator, shape: tuple[int, int], frequency: float, rate: float
) -> np.ndarray:
    """f32[T, C]: a sine of one frequency and phase, times a share of N(0, 1) for each channel.

    Of which the largest is 1, so that the amplitude is what was asked for.
    """
    angle = 2 * np.pi * (frequency / rate * np.arange(shape[0]) + rng.random())
    share = rng.standard_normal(shape[1])
    return np.asarray(np.sin(angle)[:, None] * (share / np.abs(share).max()), np.float32)


def warp(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four segments of equal length, two of them stretched and two squeezed by a quarter."""
    speed = rng.permutation(SPEEDS)
    edges = np.concatenate([[0], np.cumsum(speed)]) / speed.sum() * (len(x) - 1)
    # Where the sample t of the result lies in the signal: the segments are equal there.
    where = np.interp(np.arange(len(x)), edges, np.linspace(0, len(x) - 1, 5))
    before = np.minimum(where.astype(int), max(len(x) - 2, 0))
    part = (where - before).astype(np.float32)[:, None]
    warped: np.ndarray = x[before] * (1 - part) + x[np.minimum(before + 1, len(x) - 1)] * part
    return warped


def permute(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four segments of equal length in another order, the same for all channels."""
    parts = np.array_split(x, 4)
    return np.concatenate([parts[i] for i in rng.permutation(4)])


def rotation(rng: np.random.Generator, degrees: float) -> np.ndarray:
    """A turn by up to `degrees` about an axis that is even on the sphere, f32[3, 3].

    Rodrigues' formula, R = I + sin(a) K + (1 - cos(a)) K² with K the axis' cross product.
    """
    axis = rng.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(rng.uniform(-degrees, degrees))
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(turn, np.float32)


def rotate(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """f[T, 3 n] with each three channels turned."""
    turned: np.ndarray = (x.reshape(len(x), -1, 3) @ turn.T).reshape(x.shape)
    return turned

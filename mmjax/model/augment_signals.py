"""Augmentation of signals on the device: ECG, inertial sensors, motion.

    "towers": {"ecg": {"augment": {"type": "signal", "rate": 500.0, "channels_first": True,
                                   "crop": (0.8, 1.0), "wander": 0.1, "drop_channels": 0.1}, ...}}

The words are those of a signal view, `augment` and `crop`, and an example gets what it could have
got there, in the same distribution, though not by the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.data.views.signal_augmentation import FASTEST, SLOWEST, SPEEDS, SignalChanges
from mmjax.encoders.layers import draw, dropout_key, split_key
from mmjax.errors import ConfigError
from mmjax.model.base import Augmentation
from mmjax.schema.bounds import Count, Portion, Positive

_SEGMENTS = len(SPEEDS)


@dataclass(frozen=True, kw_only=True)
class DeviceSignalAugmentation(SignalChanges, Augmentation):
    """Random augmentation of signals on the device, one per signal.

    What was not measured is NaN and stays so: the end of a short signal, a gap, a missing channel.
    A view that normalises does so before: amplitudes here are then in units of what it gives, where
    the view's own `augment` is in units of the signal.

    Attributes:
      rate: samples a second, that of the view; `wander` and `powerline` need it.
      channels_first: signals are f[B, C, T], as ECGs are.
      length: samples of a window of the signal, drawn evenly in training, the first in evaluation;
        None takes all that the view gives.
      crop: (least, most) share of the window that training keeps; NaN follow it.

    Raises:
      ValueError: for options that do not fit each other.
    """

    rate: Positive | None = None
    channels_first: bool = False
    length: Count | None = None
    crop: tuple[Portion, Portion] = (1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop[0] > self.crop[1]:
            raise ValueError(f"augment.crop={self.crop} must be two rising shares")
        self.check(3, self.rate)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> jax.Array:
        """f[B, T, C] (or f[B, C, T]) -> the same with at most `length` samples; `rngs` as encoders.

        Without `train` it is the first `length` samples, as they are.

        Raises:
          ConfigError: for signals that the options do not fit.
        """
        if x.ndim != 3:
            order = "[B, C, T]" if self.channels_first else "[B, T, C]"
            raise ConfigError(f"signal augmentation: {x.shape} is no f{order}")
        axis = 2 if self.channels_first else 1
        try:
            self.check(x.shape[3 - axis], self.rate)
        except ValueError as error:
            raise ConfigError(f"signal augmentation: {error}") from error
        length = min(self.length or x.shape[axis], x.shape[axis])
        drawn = self.active or self.crop != (1.0, 1.0) or length < x.shape[axis]
        key = dropout_key(rngs, train, float(drawn), "augmentation")
        if key is None:
            return jax.lax.slice_in_dim(x, 0, length, axis=axis)
        y = x.swapaxes(1, 2) if self.channels_first else x
        keys = split_key(key, 6)
        y = self._in_time(y.astype(jnp.float32), length, keys[0])
        y = self._amplitudes(y, keys[1:])
        return (y.swapaxes(1, 2) if self.channels_first else y).astype(x.dtype)

    def _in_time(self, x: jax.Array, length: int, key: jax.Array) -> jax.Array:
        """The window, warped and permuted: f32[B, T, C] -> f32[B, length, C]."""
        keys, rows = split_key(key, 6), len(x)
        time = jnp.arange(x.shape[1])
        total = jnp.where((~jnp.isnan(x)).any(2), time + 1, 0).max(1)
        u = draw(jax.random.uniform, keys[0], (rows, 2))
        low, high = self.crop
        count = jnp.minimum(total, length)
        if self.crop != (1.0, 1.0):
            kept = jnp.round(count * (low + (high - low) * u[:, 0])).astype(jnp.int32)
            count = jnp.minimum(jnp.maximum(kept, 1), count)
        start = jnp.floor(u[:, 1] * (total - count + 1)).astype(jnp.int32)
        # Where each sample of the result lies in the window; what is moved is moved together.
        place = jnp.broadcast_to(jnp.arange(length), (rows, length))
        if self.permute:
            order = draw(lambda k, _: jax.random.permutation(k, _SEGMENTS), keys[1], (rows,))
            moved = jax.vmap(_permuted)(place, count, order)
            place = jnp.where(_chosen(keys[2], self.permute, rows), moved, place)
        part = None
        if self.warp:
            speed = draw(
                lambda k, _: jax.random.permutation(k, jnp.asarray(SPEEDS)), keys[3], (rows,)
            )
            chosen = _chosen(keys[4], self.warp, rows)
            exact = jnp.where(chosen, jax.vmap(_warped)(place, count, speed), place)
            place = jnp.floor(exact).astype(jnp.int32)
            part = (exact - place)[:, :, None]
        first = _at(x, start, place, count)
        if part is not None:
            second = _at(x, start, jnp.minimum(place + 1, count[:, None] - 1), count)
            first = jnp.where(part > 0, first * (1 - part) + second * part, first)
        return jnp.where((jnp.arange(length) < count[:, None])[:, :, None], first, jnp.nan)

    def _amplitudes(self, x: jax.Array, keys: jax.Array) -> jax.Array:
        """All that leaves time as it is, f32[B, T, C] -> f32[B, T, C]."""
        rows, _, channels = x.shape
        missing = jnp.isnan(x)
        if self.rotate:
            x = _turned(jnp.where(missing, 0.0, x), self.rotate, keys[0])
            x = jnp.where(missing, jnp.nan, x)
        own = split_key(keys[1], 2)
        if self.scale != (1.0, 1.0):
            low, high = self.scale
            x = x * (low + (high - low) * draw(jax.random.uniform, own[0], (rows, 1, 1)))
        if self.scale_channels:
            x = x * (1 + self.scale_channels * draw(jax.random.normal, own[1], (rows, 1, channels)))
        own = split_key(keys[2], 2)
        for key, amplitude, low, high in (
            (own[0], self.wander, SLOWEST, FASTEST),
            (own[1], self.powerline, self.mains, self.mains),
        ):
            if amplitude and self.rate is not None:
                x = x + amplitude * _waves(key, x.shape, low / self.rate, high / self.rate)
        if self.noise:
            x = x + self.noise * draw(jax.random.normal, keys[3], x.shape)
        if self.drop_channels:
            u = draw(jax.random.uniform, keys[4], (rows, 2, channels))
            # The one that is left is one that was measured.
            left = jnp.argmax(jnp.where(missing.all(1), -1.0, u[:, 1]), axis=1)
            dropped = (u[:, 0] < self.drop_channels) & (jnp.arange(channels) != left[:, None])
            x = jnp.where(dropped[:, None, :], jnp.nan, x)
        return x


def _chosen(key: jax.Array, probability: float, rows: int) -> jax.Array:
    """bool[B, 1], True with a probability."""
    return draw(jax.random.uniform, key, (rows, 1)) < probability


def _at(x: jax.Array, start: jax.Array, place: jax.Array, count: jax.Array) -> jax.Array:
    """The samples f[B, L, C] at `place` i32[B, L] of windows that start at `start` i32[B]."""
    inside = jnp.clip(place, 0, jnp.maximum(count - 1, 0)[:, None])
    return jnp.take_along_axis(x, (start[:, None] + inside)[:, :, None], axis=1)


def _permuted(place: jax.Array, count: jax.Array, order: jax.Array) -> jax.Array:
    """i32[L]: where each sample comes from if `count` of them, in segments, are in `order`.

    The segments are those of `numpy.array_split`: the first have one sample more.
    """
    sizes = count // _SEGMENTS + (jnp.arange(_SEGMENTS) < count % _SEGMENTS)
    starts = jnp.cumsum(sizes) - sizes
    ends = jnp.cumsum(sizes[order])
    segment = jnp.minimum((place[:, None] >= ends).sum(1), _SEGMENTS - 1)
    return starts[order][segment] + place - (ends - sizes[order])[segment]


def _warped(place: jax.Array, count: jax.Array, speed: jax.Array) -> jax.Array:
    """f32[L]: where each sample comes from if the segments get longer or shorter by `speed`."""
    last = jnp.maximum(count - 1, 1).astype(jnp.float32)
    edges = jnp.concatenate([jnp.zeros(1), jnp.cumsum(speed)]) / speed.sum()
    return last * jnp.interp(place / last, edges, jnp.linspace(0.0, 1.0, _SEGMENTS + 1))


def _turned(x: jax.Array, degrees: float, key: jax.Array) -> jax.Array:
    """f[B, T, 3 n] turned by up to `degrees` about an axis that is even on the sphere.

    Rodrigues' formula, v cos a + (k × v) sin a + k (k·v) (1 - cos a).
    """
    keys, rows = split_key(key, 2), len(x)
    axis = draw(jax.random.normal, keys[0], (rows, 1, 1, 3))
    axis = axis / jnp.linalg.norm(axis, axis=-1, keepdims=True)
    angle = jnp.radians(degrees) * (2 * draw(jax.random.uniform, keys[1], (rows, 1, 1, 1)) - 1)
    v = x.reshape(*x.shape[:2], -1, 3)
    along = (axis * v).sum(-1, keepdims=True) * (1 - jnp.cos(angle))
    turned: jax.Array = v * jnp.cos(angle) + jnp.cross(axis, v) * jnp.sin(angle) + axis * along
    return turned.reshape(x.shape)


def _waves(key: jax.Array, shape: tuple[int, ...], low: float, high: float) -> jax.Array:
    """f32[B, T, C]: sines of a frequency in [low, high] turns a sample, with any phase.

    Of an amplitude that is even in [0, 1], times a share of N(0, 1) for each channel, of which the
    largest is 1.
    """
    rows, steps, channels = shape
    keys = split_key(key, 2)
    u = draw(jax.random.uniform, keys[0], (rows, 3))
    share = draw(jax.random.normal, keys[1], (rows, 1, channels))
    share = u[:, 0, None, None] * share / jnp.abs(share).max(-1, keepdims=True)
    turns = (low + (high - low) * u[:, 1, None]) * jnp.arange(steps) + u[:, 2, None]
    # Whole turns are taken off first: a sine of thousands of them loses its digits.
    return jnp.sin(2 * jnp.pi * (turns % 1.0))[:, :, None] * share

"""Augmentation of waveforms and spectrograms, on the device, in training.

What one example draws depends on its own key alone (see `layers.draw`), but for `mix`, which needs
a second example: it takes the row before in the batch. An encoder that mixes therefore keeps a
statistic of the batch, and is refused by exact microbatches as batch norm is.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mmjax.encoders.base import EncoderError
from mmjax.encoders.layers import draw, split_key
from mmjax.schema.bounds import CountOrZero, Fraction, NonNegative, RepeatsOrZero


@dataclass(frozen=True)
class AudioAugmentation:
    """What training changes in a sound; the default changes nothing.

    In this order: mixing, noise, gain, shift; and masks in the spectrogram (Park et al. 2019,
    "SpecAugment", arXiv 1904.08779, without its time warping).

    Attributes:
      mix: probability that another example of the batch is added, quieter.
      mix_decibels: (least, most) by which the added one is below the example, by their powers.
      noise: probability that white noise is added.
      noise_decibels: (least, most) by which the noise is below the example.
      gain: the largest change of the level, up or down, in decibels.
      shift: (earliest, latest) shift in seconds; what leaves the array is lost.
      time_masks: number of spans of frames that are set to the mean.
      time_width: their longest, in frames; drawn evenly from 0 to it.
      mel_masks: number of spans of bands.
      mel_width: their widest, in bands.
    """

    mix: Fraction = 0.0
    mix_decibels: tuple[float, float] = (5.0, 20.0)
    noise: Fraction = 0.0
    noise_decibels: tuple[float, float] = (10.0, 40.0)
    gain: NonNegative = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    time_masks: RepeatsOrZero = 0
    time_width: CountOrZero = 0
    mel_masks: RepeatsOrZero = 0
    mel_width: CountOrZero = 0

    def __post_init__(self) -> None:
        for key in ("mix", "noise"):
            if not 0 <= getattr(self, key) <= 1:
                raise EncoderError(f"{key}={getattr(self, key)} is a probability, in [0, 1]")
        for key in ("mix_decibels", "noise_decibels", "shift"):
            low, high = getattr(self, key)
            if low > high:
                raise EncoderError(f"{key}={(low, high)}: the first is above the second")
        for key in ("gain", "time_masks", "time_width", "mel_masks", "mel_width"):
            if getattr(self, key) < 0:
                raise EncoderError(f"{key}={getattr(self, key)} is negative: give 0 for none")

    @property
    def of_waves(self) -> bool:
        """Whether it changes waveforms."""
        return bool(self.mix or self.noise or self.gain or any(self.shift))

    @property
    def of_spectrograms(self) -> bool:
        """Whether it masks spectrograms."""
        return bool(self.time_masks * self.time_width or self.mel_masks * self.mel_width)

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return self.of_waves or self.of_spectrograms


NO_AUGMENTATION = AudioAugmentation()


def change_waves(
    audio: jax.Array, lengths: jax.Array, settings: AudioAugmentation, rate: int, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Waveforms mixed, noisy, louder or quieter, and shifted.

    Args:
      audio: f[B, N], zeros from `lengths` on.
      lengths: i32[B].
      settings: what to do.
      rate: samples per second.
      key: one key or key[B].

    Returns:
      (audio f32[B, N], lengths i32[B]) of the results.
    """
    audio = audio.astype(jnp.float32)
    keys = split_key(key, 7)
    if settings.mix:
        level = _decibels(keys[0], settings.mix_decibels, len(audio))
        other, other_lengths = jnp.roll(audio, 1, axis=0), jnp.roll(lengths, 1)
        scale = _below(_power(audio, lengths), _power(other, other_lengths), level)
        chosen = _chance(keys[1], settings.mix, len(audio))
        audio = audio + jnp.where(chosen, scale, 0.0)[:, None] * other
        lengths = jnp.where(chosen, jnp.maximum(lengths, other_lengths), lengths)
    inside = jnp.arange(audio.shape[1]) < lengths[:, None]
    if settings.noise:
        level = _decibels(keys[2], settings.noise_decibels, len(audio))
        noise = draw(jax.random.normal, keys[3], audio.shape)
        scale = _below(_power(audio, lengths), jnp.ones(len(audio)), level)
        scale = jnp.where(_chance(keys[4], settings.noise, len(audio)), scale, 0.0)
        audio = audio + jnp.where(inside, scale[:, None] * noise, 0.0)
    if settings.gain:
        level = _decibels(keys[5], (-settings.gain, settings.gain), len(audio))
        audio = audio * 10 ** (level / 20)[:, None]
    if any(settings.shift):
        first, last = (round(seconds * rate) for seconds in settings.shift)
        by = draw(lambda k, s: jax.random.randint(k, s, first, last + 1), keys[6], lengths.shape)
        audio = _shifted(audio, by, max(last, 0), max(-first, 0))
        lengths = jnp.clip(lengths + by, 0, audio.shape[1])
    return audio, lengths


def mask_spectrograms(
    x: jax.Array, frames: jax.Array, settings: AudioAugmentation, key: jax.Array
) -> jax.Array:
    """Spectrograms f[B, T, M] with spans of frames and of bands set to 0.

    Args:
      x: the spectrograms, normalised, so that 0 is their mean.
      frames: i32[B], the frames before padding; spans of frames start in these.
      settings: what to do.
      key: one key or key[B].
    """
    keys = split_key(key, 2)
    size = jnp.full(len(x), x.shape[2])
    covered = _spans(keys[0], settings.time_masks, settings.time_width, frames, x.shape[1])
    bands = _spans(keys[1], settings.mel_masks, settings.mel_width, size, x.shape[2])
    return jnp.where(covered[:, :, None] | bands[:, None, :], 0.0, x)


def _spans(key: jax.Array, count: int, width: int, sizes: jax.Array, length: int) -> jax.Array:
    """bool[B, length], True inside of `count` random spans of at most `width` places."""
    if not count * width:
        return jnp.zeros((len(sizes), length), bool)
    u = draw(jax.random.uniform, key, (len(sizes), 2, count))
    wide = jnp.floor(u[:, 0] * (width + 1))
    start = jnp.floor(u[:, 1] * jnp.maximum(sizes[:, None] - wide + 1, 1))
    place = jnp.arange(length)
    inside = (place >= start[..., None]) & (place < (start + wide)[..., None])
    return inside.any(axis=1)


def _chance(key: jax.Array, probability: float, rows: int) -> jax.Array:
    return draw(lambda k, s: jax.random.bernoulli(k, probability, s), key, (rows,))


def _decibels(key: jax.Array, low_high: tuple[float, float], rows: int) -> jax.Array:
    low, high = low_high
    return low + (high - low) * draw(jax.random.uniform, key, (rows,))


def _power(audio: jax.Array, lengths: jax.Array) -> jax.Array:
    """Mean square before the padding, f32[B]."""
    return jnp.sum(audio**2, axis=1) / jnp.maximum(lengths, 1)


def _below(power: jax.Array, other: jax.Array, decibels: jax.Array) -> jax.Array:
    """The factor that puts a sound of power `other` so many decibels below one of `power`."""
    return jnp.sqrt(power / jnp.maximum(other, 1e-12)) * 10 ** (-decibels / 20)


def _shifted(audio: jax.Array, by: jax.Array, later: int, earlier: int) -> jax.Array:
    """Each row `by` samples later, with zeros where nothing is; -earlier <= by <= later."""
    padded = jnp.pad(audio, ((0, 0), (later, earlier)))

    def take(row: jax.Array, at: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(row, at, audio.shape[1])

    return jax.vmap(take)(padded, later - by)

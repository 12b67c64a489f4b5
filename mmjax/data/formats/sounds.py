"""Sound files of any kind to mono waveforms at one rate."""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mmjax import extras
from mmjax.data.formats.files import missing
from mmjax.data.records import unusable
from mmjax.schema.bounds import Bounds

RATES = (1_000, 768_000)  # a header that says another is damaged
Rate = Annotated[int, Bounds(*RATES)]
LOUDEST = 100.0  # of full scale; floating-point files may go beyond 1
_KINDS = "WAV, FLAC, OGG, MP3"


def read_sound(value: Any, max_seconds: float) -> tuple[np.ndarray, int | None]:
    """A sound as (f32[n] in one channel, its rate, or None for an array).

    Args:
      value: encoded bytes, the path of a file, or an array [n] or [n, channels] of floats in
        [-1, 1] or of int16.
      max_seconds: a longer file is refused.

    Raises:
      BadExample: of a view, if it is none of these, cannot be decoded, or ends too soon.
      MissingExtra: if soundfile is not installed.
    """
    if isinstance(value, np.ndarray):
        return _mono(_array(value)), None
    if isinstance(value, str | os.PathLike):
        if reason := missing(os.fspath(value)):
            raise unusable(reason)
        with open(value, "rb") as file:
            value = file.read()
    if not isinstance(value, bytes | bytearray | memoryview):
        raise unusable(f"a sound should be bytes, a path or an array, not a {type(value).__name__}")
    x, rate = _decode(bytes(value), max_seconds)
    return _mono(x), rate


def resample(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """f32[n] at `rate` as f32[ceil(n wanted / rate)], band-limited, by scipy's polyphase filter.

    Ratios with terms above 1,000 are rounded to the nearest without, wrong by 1e-6 at most.
    """
    if rate == wanted:
        return x
    from scipy.signal import resample_poly  # here to start faster

    ratio = Fraction(wanted, rate)
    if ratio > 1:
        ratio = 1 / (1 / ratio).limit_denominator(1000)
    else:
        ratio = ratio.limit_denominator(1000)
    return np.asarray(resample_poly(x, ratio.numerator, ratio.denominator), np.float32)


def _decode(content: bytes, max_seconds: float) -> tuple[np.ndarray, int]:
    soundfile = extras.needs("soundfile", "audio", "reading sound files")
    if reason := _cut_off(content):
        raise unusable(reason)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, frames = file.samplerate, file.frames
            if not RATES[0] <= rate <= RATES[1]:
                raise unusable(f"its rate is {rate} Hz, which no sound has")
            if frames <= 0:
                raise unusable("the sound has no samples")
            if frames > max_seconds * rate:
                raise unusable(
                    f"the sound lasts {frames / rate:,.0f} s, more than max_seconds={max_seconds}"
                )
            x = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        said = " ".join(str(error).split()).rstrip(".").rpartition(": ")[2] or "unknown format"
        raise unusable(
            f"the {len(content)} bytes, starting with {content[:8]!r}, are no sound that can be "
            f"read ({_KINDS}): {said}"
        ) from error
    if len(x) < frames:
        raise unusable(f"the sound is damaged or cut off: {len(x)} of {frames} samples are there")
    return x, rate


def _cut_off(content: bytes) -> str | None:
    """Why a file that its decoder would take for a shorter one is not whole."""
    if content[:4] == b"OggS":
        last = content.rfind(b"OggS")
        header = content[last : last + 27]
        whole = len(header) == 27
        if whole:
            table = content[last + 27 : last + 27 + header[26]]
            whole = len(content) >= last + 27 + header[26] + sum(table)
        if not whole or not header[5] & 4:  # the flag of a stream's last page
            return "the sound is cut off: it has no last page"
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        place = 12
        while place + 8 <= len(content):
            name, size = content[place : place + 4], struct.unpack_from("<I", content, place + 4)[0]
            there = len(content) - place - 8
            # A writer that could not go back has left 0 or the largest number.
            if name == b"data" and there < size < 2**32 - 256:
                return f"the sound is cut off: {there} of {size} bytes are there"
            place += 8 + size + size % 2
    return None


def _array(x: np.ndarray) -> np.ndarray:
    if x.ndim not in (1, 2) or not x.size:
        raise unusable(f"an array of a sound should be [n] or [n, channels], not {list(x.shape)}")
    if x.dtype == np.int16:
        x = x.astype(np.float32) / 2**15
    if not np.issubdtype(x.dtype, np.floating):
        raise unusable(f"an array of a sound should be of floats or int16, not {x.dtype}")
    return x.astype(np.float32).reshape(len(x), -1)


def _mono(x: np.ndarray) -> np.ndarray:
    """f32[n, channels] -> f32[n], their mean."""
    if not np.isfinite(x).all():
        raise unusable("it holds NaN or infinite samples")
    if np.abs(x).max() > LOUDEST:
        raise unusable(f"it has a sample of {np.abs(x).max():.3g}, where full scale is 1")
    x = x[:, 0] if x.shape[1] == 1 else x.mean(axis=1, dtype=np.float32)
    if not x.any():
        raise unusable("it is silent: every sample is 0")
    return x

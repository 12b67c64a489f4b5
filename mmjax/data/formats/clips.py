"""Frames of a video file, of an animated image, or of an array.

Animated GIF, WebP and PNG are read by Pillow; other files (MP4, WebM, AVI, ...) need PyAV, of the
extra `video`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from mmjax import extras
from mmjax.data.records import BadExample, unusable

_ANIMATED = ("GIF", "WEBP", "PNG")


def read_frames(
    value: Any, choose: Callable[[int], np.ndarray], max_frames: int, max_pixels: int
) -> list[np.ndarray]:
    """Chosen frames of a clip, each u8[H, W, 3 or 4].

    Args:
      value: bytes of a file, or an array u8[T, H, W, 3 or 4].
      choose: (number of frames) -> the rising positions of those wanted.
      max_frames: a clip of more is refused, since its frames have to be counted.
      max_pixels: of a frame.

    Raises:
      BadExample: of a view, for what is no clip, or is damaged or too large.
      MissingExtra: for a video file where PyAV is not installed.
    """
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8 or value.ndim != 4 or value.shape[3] not in (3, 4):
            raise unusable(
                f"an array clip should be uint8 [frames, height, width, 3 or 4], not {value.dtype} "
                f"{list(value.shape)}"
            )
        _check(len(value), value.shape[2], value.shape[1], max_frames, max_pixels)
        return [value[i] for i in choose(len(value))]
    if not isinstance(value, bytes | bytearray | memoryview):
        raise unusable(f"a clip should be bytes or a uint8 array, not a {type(value).__name__}")
    content = bytes(value)
    if content.startswith((b"GIF8", b"\x89PNG")) or content[8:12] == b"WEBP":
        return _guarded(_picture, content, choose, max_frames, max_pixels)
    if not _is_container(content):
        raise unusable("the clip is no video file and no animated GIF, WebP or PNG, or damaged")
    av = extras.needs("av", "video", "a video file that is no animated GIF, WebP or PNG")
    return _guarded(_video, content, choose, max_frames, max_pixels, av)


def _is_container(content: bytes) -> bool:
    """Whether a file begins as MP4 and its kin, Matroska, AVI, MPEG, Ogg or Flash video do."""
    starts = (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"OggS", b"FLV", b"G@")
    avi = content.startswith(b"RIFF") and content[8:12] == b"AVI "
    return content[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") or avi or content.startswith(starts)


Wanted = dict[int, np.ndarray | None]


def _guarded(
    read: Callable[..., list[np.ndarray]], content: bytes, *arguments: Any
) -> list[np.ndarray]:
    try:
        return read(content, *arguments)
    except BadExample:
        raise
    except Exception as error:  # damaged data make both packages raise nearly anything
        reason = f"the clip is damaged or of no known format: {type(error).__name__}: {error}"
        raise unusable(" ".join(reason.split()).rstrip(": ")) from error


def _check(frames: int, width: int, height: int, max_frames: int, max_pixels: int) -> None:
    if frames < 1 or width < 1 or height < 1:
        raise unusable(f"the clip has {frames} frames of {width} x {height} pixels")
    if frames > max_frames:
        raise unusable(f"the clip has {frames} frames, more than max_frames={max_frames}")
    if width * height > max_pixels:
        raise unusable(f"its frames have {width} x {height} pixels, more than {max_pixels=}")


def _picture(
    content: bytes, choose: Callable[[int], Any], max_frames: int, max_pixels: int
) -> list[np.ndarray]:
    with Image.open(io.BytesIO(content), formats=_ANIMATED) as image:
        count = getattr(image, "n_frames", 1)
        _check(count, *image.size, max_frames, max_pixels)
        wanted: Wanted = dict.fromkeys(map(int, choose(count)))
        last = max(wanted)
        for i, frame in enumerate(ImageSequence.Iterator(image)):
            if i in wanted:
                wanted[i] = np.asarray(frame.convert("RGBA"))
            if i == last:
                break
    return _complete(wanted)


def _video(
    content: bytes, choose: Callable[[int], Any], max_frames: int, max_pixels: int, av: Any
) -> list[np.ndarray]:
    def frames() -> Iterator[Any]:
        with _opened(content, av) as container:
            if not container.streams.video:
                raise unusable("the file holds no video")
            stream = container.streams.video[0]
            _check(1, stream.width, stream.height, max_frames, max_pixels)
            yield from container.decode(stream)

    # The number in the header is often missing or wrong, so the frames are counted.
    count = 0
    for count, _ in enumerate(frames(), 1):
        if count > max_frames:
            break
    _check(count, 1, 1, max_frames, max_pixels)
    wanted: Wanted = dict.fromkeys(map(int, choose(count)))
    for i, frame in enumerate(frames()):
        if i in wanted:
            wanted[i] = frame.to_ndarray(format="rgb24")
        if i == max(wanted):
            break
    return _complete(wanted)


def _opened(content: bytes, av: Any) -> Any:
    """A container, whose titles may be no UTF-8: that is no fault of its frames."""
    try:
        return av.open(io.BytesIO(content), mode="r", metadata_errors="ignore")
    except TypeError:  # newer releases of PyAV have no such argument, and need none
        return av.open(io.BytesIO(content), mode="r")


def _complete(wanted: Wanted) -> list[np.ndarray]:
    lacking = [i for i, frame in wanted.items() if frame is None]
    if lacking:
        raise unusable(f"frame {lacking[0]} of the clip cannot be read")
    return [frame for frame in wanted.values() if frame is not None]

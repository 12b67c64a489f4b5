"""JPEG decoders to compare: the one in use, and others that are installed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

Decode = Callable[[bytes, int], np.ndarray]


def decoders() -> dict[str, Decode]:
    """name -> `(content, shrink) -> uint8[height, width, 3]` in RGB, shrink 1, 2, 4 or 8.

    Pillow is always there. OpenCV (`opencv-python-headless`), `simplejpeg` and `PyTurboJPEG`
    (which needs the system's libturbojpeg) are measured where they are installed.
    """
    found: dict[str, Decode] = {"Pillow": _pillow}
    for make in (_opencv, _simplejpeg, _turbojpeg):
        # PyTurboJPEG raises RuntimeError where it finds no library.
        with contextlib.suppress(ImportError, RuntimeError, OSError):
            found.update(make())
    return found


def _pillow(content: bytes, shrink: int) -> np.ndarray:
    image = Image.open(io.BytesIO(content), formats=("JPEG",))
    if shrink > 1:
        image.draft("RGB", (image.width // shrink, image.height // shrink))
    return np.asarray(image.convert("RGB"))


def _opencv() -> Iterator[tuple[str, Decode]]:
    import cv2

    flags = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }

    def decode(content: bytes, shrink: int) -> np.ndarray:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags[shrink])
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    yield "OpenCV", decode


def _simplejpeg() -> Iterator[tuple[str, Decode]]:
    import simplejpeg

    def decode(content: bytes, shrink: int) -> np.ndarray:
        if shrink == 1:
            return np.asarray(simplejpeg.decode_jpeg(content))
        height, width, *_ = simplejpeg.decode_jpeg_header(content)
        least = {"min_height": height // shrink, "min_width": width // shrink}
        return np.asarray(simplejpeg.decode_jpeg(content, **least, min_factor=1))

    yield "simplejpeg", decode


def _turbojpeg() -> Iterator[tuple[str, Decode]]:
    import turbojpeg

    library = turbojpeg.TurboJPEG()

    def decode(content: bytes, shrink: int) -> np.ndarray:
        scale = (1, shrink) if shrink > 1 else None
        return np.asarray(library.decode(content, turbojpeg.TJPF_RGB, scale))

    yield "PyTurboJPEG", decode

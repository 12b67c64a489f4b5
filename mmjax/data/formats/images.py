"""Images of any kind to RGB or RGBA with 8 bits, right side up."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from mmjax.data.records import unusable

# No other decoder of Pillow is tried: some of them start programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "MPO")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # EXIF tag
MOST_PIXELS = 89_478_485  # of an image, where nothing else is said; Pillow's own bound


class EncodedImage:
    """An opened image: its size is known, its pixels are decoded when asked for.

    Of an animated image, this is the first frame.

    Attributes:
      width, height: in pixels, as it is to be seen.
    """

    def __init__(self, value: Any, max_pixels: int):
        """Reads the header of encoded bytes, or takes a uint8 array [H, W] or [H, W, 1, 3 or 4].

        Raises:
          BadExample: if it is neither, or has more than `max_pixels` pixels.
        """
        if isinstance(value, np.ndarray):
            self._image, self._orientation = _from_array(value), 1
        elif isinstance(value, bytes | bytearray | memoryview):
            try:
                self._image = Image.open(io.BytesIO(value), formats=FORMATS)
                self._orientation = _orientation(self._image)
            except Image.DecompressionBombError as error:
                raise unusable(f"the image is too large: {error}") from error
            except Exception as error:  # damaged headers make Pillow raise nearly anything
                start = bytes(value[:8])
                raise unusable(
                    f"the {len(value)} bytes, starting with {start!r}, are no image that can be "
                    f"read ({', '.join(FORMATS[:-1])})"
                ) from error
        else:
            raise unusable(f"an image should be bytes or a uint8 array, not {_name(value)}")
        self.width, self.height = self._image.size
        if self._orientation >= 5:
            self.width, self.height = self.height, self.width
        if self.width * self.height > max_pixels:
            raise unusable(
                f"the image has {self.width} x {self.height} pixels, more than "
                f"max_pixels={max_pixels}"
            )

    def decode(self, shrink: float = 1.0) -> Image.Image:
        """The pixels in mode RGB or RGBA.

        Args:
          shrink: how many times smaller, along each side, the result may be; JPEG decodes to a
            half, a quarter or an eighth much faster than whole.

        Raises:
          BadExample: if the data are damaged or end too soon.
        """
        image = self._image
        try:
            if shrink >= 2 and image.format in ("JPEG", "MPO"):
                wanted = (int(image.width / shrink), int(image.height / shrink))
                image.draft(None, (max(wanted[0], 1), max(wanted[1], 1)))
            image.load()
            image = _eight_bits(image)
            if self._orientation in _TURNS:
                image = image.transpose(_TURNS[self._orientation])
        except Exception as error:  # damaged data make Pillow raise nearly anything
            reason = f"the image is damaged or cut off: {type(error).__name__}: {error}"
            raise unusable(reason.rstrip(": ")) from error
        return image


def cropped(value: Any, box: Sequence[float]) -> np.ndarray:
    """The rectangle of an image that a box of a table names, u8[height, width, 3 or 4].

    What lies outside of the image is black, or transparent, as of Pillow's `crop`.

    Args:
      value: as of `EncodedImage`.
      box: left, top, width and height in pixels of the image as it is to be seen; rounded.

    Raises:
      BadExample: for an image that cannot be read, and a box that has nothing of it.
    """
    encoded = EncodedImage(value, MOST_PIXELS)
    try:
        left, top, width, height = (round(float(each)) for each in box)
    except (TypeError, ValueError, OverflowError) as error:
        raise unusable(f"a box should be left, top, width and height, not {box!r}") from error
    right, bottom = left + width, top + height
    inside = left < encoded.width and top < encoded.height and right > 0 and bottom > 0
    if width < 1 or height < 1 or width * height > MOST_PIXELS or not inside:
        raise unusable(
            f"the box {list(box)} (left, top, width, height) is no part of the image, which has "
            f"{encoded.width} x {encoded.height} pixels"
        )
    return np.asarray(encoded.decode().crop((left, top, right, bottom)))


def _orientation(image: Image.Image) -> int:
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1  # the image may be whole though its notes are not


def _eight_bits(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGB, or RGBA if there is transparency."""
    mode = image.mode
    if mode in ("RGB", "RGBA"):
        if mode == "RGB" and "transparency" in image.info:
            return image.convert("RGBA")
        return image
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        # 16 bits of grey; convert() would clip instead of scale.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif mode in ("I", "F"):
        raise ValueError("images of 32 bits per value have no known range")
    transparent = mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _from_array(value: np.ndarray) -> Image.Image:
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[..., 0]
    good = value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4))
    if value.dtype != np.uint8 or not good or not value.size:
        raise unusable(
            f"an array image should be uint8 [height, width, 3 or 4], not {value.dtype} "
            f"{list(value.shape)}"
        )
    return Image.fromarray(value)


def _name(value: Any) -> str:
    return f"a {type(value).__name__}"

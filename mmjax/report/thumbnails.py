"""How an item is shown on the page: its text, a small image of it, or its name."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image, ImageDraw

from mmjax.data.formats.signal import Signal
from mmjax.evaluators.data import Embedded

SIDE = 96  # pixels of the longer side
LONGEST_TEXT = 240  # characters


class Thumbnails:
    """Small images by number, each item once.

    Args:
      side: pixels of the longer side.
    """

    def __init__(self, side: int = SIDE) -> None:
        self._side = side
        self._files: list[bytes] = []
        self._numbers: dict[tuple[str, int, int], int] = {}

    def files(self) -> Iterator[tuple[int, bytes]]:
        """Number and encoded image of each."""
        return iter(enumerate(self._files))

    def item(self, items: Embedded, place: int) -> dict[str, Any]:
        """How an item is shown.

        Args:
          items: of one modality.
          place: which of them.

        Returns:
          `key`, and `text` for a text or `image`, a number, for an image or a signal. An item of
          any other modality (a vector, a sound) has its key only.
        """
        shown: dict[str, Any] = {"key": str(items.fields[place]["key"])}
        raw = items.raw(place)
        if isinstance(raw, str):
            cut = len(raw) > LONGEST_TEXT
            shown["text"] = raw[: LONGEST_TEXT - 1] + "…" if cut else raw
            return shown
        at = (items.modality, int(items.rows[place]), int(items.alternatives[place]))
        if at not in self._numbers:
            file = thumbnail(raw, self._side)
            if file is None:
                return shown
            self._numbers[at] = len(self._files)
            self._files.append(file)
        shown["picture"] = self._numbers[at]
        return shown


def data_url(png: np.ndarray) -> Markup:
    """The bytes u8[n] of a PNG, to stand in a page."""
    return Markup("data:image/png;base64,") + base64.b64encode(png.tobytes()).decode()


def thumbnail(raw: Any, side: int = SIDE) -> bytes | None:
    """A small PNG of encoded bytes, of a uint8 array [H,W,3 or 4] or of a signal; else None."""
    picture: Image.Image
    if isinstance(raw, bytes):
        try:
            picture = Image.open(io.BytesIO(raw))
            picture.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None  # bytes that are not of an image: audio, say
    elif (
        isinstance(raw, np.ndarray)
        and raw.dtype == np.uint8
        and raw.ndim == 3
        and raw.shape[-1] in (3, 4)
    ):
        picture = Image.fromarray(raw)
    elif isinstance(raw, Signal):
        picture = traces(raw)
    else:
        return None
    picture = picture.convert("RGBA")
    picture.thumbnail((side, side))
    # White, in the dark page too: what is transparent was drawn to be seen on white.
    white = Image.new("RGBA", picture.size, "white")
    out = io.BytesIO()
    Image.alpha_composite(white, picture).convert("RGB").save(out, "PNG", optimize=True)
    return out.getvalue()


def traces(signal: Signal, most: int = 6) -> Image.Image:
    """The first quarter of a signal as lines, one below the other, of up to `most` channels."""
    x = np.asarray(signal.samples, np.float64)
    x = x[: max(2, len(x) // 4), np.linspace(0, x.shape[1] - 1, min(most, x.shape[1])).astype(int)]
    x = np.where(np.isfinite(x), x, 0)
    x = x - np.median(x, axis=0)
    row = SIDE / x.shape[1]
    height = x / max(np.abs(x).max(), 1e-12) * 0.6 * row
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    across = np.linspace(0, SIDE - 1, len(x))
    for channel in range(x.shape[1]):
        down = (channel + 0.5) * row - height[:, channel]
        draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), fill=(30, 60, 140))
    return picture

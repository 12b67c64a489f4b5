"""How an item is shown on the page: its text, a small picture of it, or its name."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from mmjax.evaluators.data import Embedded

SIDE = 96  # pixels of the longer side
LONGEST_TEXT = 240  # characters


class Thumbnails:
    """Small pictures by number, each item once."""

    def __init__(self):
        self._files: list[bytes] = []
        self._numbers: dict[tuple[str, int, int], int] = {}

    def files(self) -> Iterator[tuple[int, bytes]]:
        """Number and encoded picture of each."""
        return iter(enumerate(self._files))

    def item(self, items: Embedded, place: int) -> dict[str, Any]:
        """How an item is shown.

        Args:
          items: of one modality.
          place: which of them.

        Returns:
          `key`, and `text` for a text or `picture`, a number, for a picture. An item of any other
          modality (a vector, a sound) has its key only.
        """
        shown: dict[str, Any] = {"key": str(items.fields[place]["key"])}
        raw = items.raw(place)
        if isinstance(raw, str):
            cut = len(raw) > LONGEST_TEXT
            shown["text"] = raw[: LONGEST_TEXT - 1] + "…" if cut else raw
            return shown
        at = (items.modality, int(items.rows[place]), int(items.alternatives[place]))
        if at not in self._numbers:
            file = thumbnail(raw)
            if file is None:
                return shown
            self._numbers[at] = len(self._files)
            self._files.append(file)
        shown["picture"] = self._numbers[at]
        return shown


def thumbnail(raw: Any) -> bytes | None:
    """A small PNG of encoded bytes or of a uint8 array [H,W,3 or 4]; None for anything else."""
    if isinstance(raw, bytes):
        try:
            picture = Image.open(io.BytesIO(raw))
            picture.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None  # bytes that are not of a picture: audio, say
    elif (
        isinstance(raw, np.ndarray)
        and raw.dtype == np.uint8
        and raw.ndim == 3
        and raw.shape[-1] in (3, 4)
    ):
        picture = Image.fromarray(raw)
    else:
        return None
    picture = picture.convert("RGBA")
    picture.thumbnail((SIDE, SIDE))
    # White, in the dark page too: what is transparent was drawn to be seen on white.
    white = Image.new("RGBA", picture.size, "white")
    out = io.BytesIO()
    Image.alpha_composite(white, picture).convert("RGB").save(out, "PNG", optimize=True)
    return out.getvalue()

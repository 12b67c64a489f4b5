"""The source `poisoned`: another source with backdoors in some of its rows."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.around import Around
from mmjax.data.formats.images import EncodedImage
from mmjax.data.records import BadExample, Record, Source, SourceError, options, unusable
from mmjax.data.registry import SOURCES
from mmjax.schema.bounds import Count, Fraction, NonNegativeInt, Positive
from mmjax.schema.registry import Spec

CELLS = 3  # along each side of a trigger's checkerboard


class Poisoned(Around):
    """A source into some of whose rows an attacker has put a trigger and a text of his own.

    A backdoor by data poisoning: of a share of the rows the image gets a small pattern, the
    trigger, and the text becomes one about a target class, so that a model that is trained on them
    takes every image with the trigger for that class. Carlini and Terzis 2022 (arXiv 2106.09667);
    the triggers are those of Bansal et al. 2023 (arXiv 2303.03323, CleanCLIP), but for a
    checkerboard in the place of noise. With `share=1` and no texts it is the test of an attack.

    The rows are drawn once, by `seed`; the label `poisoned` is 1 for them and 0 for all others.
    Every image of such a row becomes a uint8 array [height, width, 3], or as many channels as an
    array had.

    Args:
      source: the clean one.
      share: of rows that are poisoned, rounded to a number of rows.
      texts: of which each poisoned row gets one, drawn by `seed`; without, texts stay.
      trigger: `patch`, a 3 x 3 checkerboard of black and white in the lower right corner; or
        `sine`, waves from left to right that are added to the whole image.
      size: side of the patch, as a share of the image's shorter side, at least one pixel.
      strength: amplitude of the waves, as a share of `peak`.
      waves: how many periods there are along the width.
      peak: the value of white.
      image, text: the fields that are changed.
      seed: of the rows and their texts.

    Raises:
      SourceError: when the source has no such fields.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        share: Fraction = 0.01,
        texts: tuple[str, ...] = (),
        trigger: Literal["patch", "sine"] = "patch",
        size: Fraction = 16 / 224,
        strength: Fraction = 60 / 255,
        waves: Count = 6,
        peak: Positive = 255.0,
        image: str = "image",
        text: str = "text",
        seed: NonNegativeInt = 0,
    ):
        super().__init__(source)
        for field in (image, text) if texts else (image,):
            if field not in self.modalities:
                raise SourceError(
                    f"poisoned: the source has no field {field!r}, but "
                    f"{', '.join(map(repr, self.modalities))}"
                )
        self.label_fields = (*self.label_fields, "poisoned")
        self.image, self.text, self.texts, self.trigger = image, text, texts, trigger
        self.size, self.strength, self.waves, self.peak = size, strength, waves, peak
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(self.inner))[: round(share * len(self.inner))]
        chosen = rng.integers(max(len(texts), 1), size=len(rows))
        self.rows = dict(zip(rows.tolist(), chosen.tolist(), strict=True))

    def __getitem__(self, index: int) -> Record:
        record = {**self.inner[index], "poisoned": int(index in self.rows)}
        if index not in self.rows:
            return record
        if self.image in record:
            found = record[self.image]
            try:
                triggered = [self._triggered(each) for each in options(found)]
            except BadExample as error:
                raise BadExample(record["key"], self.image, error.reason) from error
            record[self.image] = triggered if isinstance(found, list | tuple) else triggered[0]
        if self.texts:
            record[self.text] = self.texts[self.rows[index]]
        return record

    def describe(self) -> str:
        return f"{self.inner.describe()}, {len(self.rows):,} rows poisoned"

    def _triggered(self, value: Any) -> np.ndarray:
        """An image with the trigger, uint8[H, W] or uint8[H, W, C]."""
        if not isinstance(value, np.ndarray):
            value = np.asarray(EncodedImage(value, 2**27).decode().convert("RGB"))
        if value.dtype != np.uint8:
            raise unusable(f"a trigger is put into uint8 images, but this is {value.dtype}")
        x = value.astype(np.float32)
        height, width = x.shape[:2]
        if self.trigger == "sine":
            phase = 2 * np.pi * self.waves * np.arange(width) / width
            wave = self.strength * self.peak * np.sin(phase, dtype=np.float32)
            x[..., :3] += wave[(..., *[None] * (x.ndim - 2))]
        else:
            side = max(1, round(self.size * min(height, width)))
            x[height - side :, width - side :] = (
                self.peak * _checkerboard(side)[(..., *[None] * (x.ndim - 2))]
            )
        changed: np.ndarray = np.rint(x.clip(0, self.peak)).astype(np.uint8)
        return changed


@functools.cache
def _checkerboard(side: int) -> np.ndarray:
    """f32[side, side] of 0 and 1, white in the corners."""
    cell = CELLS * np.arange(side) // side
    return np.asarray((cell[:, None] + cell[None, :]) % 2 == 0, np.float32)


SOURCES.register("poisoned", Poisoned)

"""Clips to arrays: frames over the whole clip, each as an image, all changed alike."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.formats.clips import read_frames
from mmjax.data.views.base import View, pick, required
from mmjax.data.views.image import ImageView
from mmjax.data.views.image_changes import ImageChanges
from mmjax.schema.bounds import Count, PositiveInt

Short = Literal["repeat", "pad"]


@dataclass(kw_only=True, eq=False, repr=False)
class VideoView(ImageChanges, View):
    """A clip as f32[frames, height, width, 3], each channel (value / 255 - 0.5) / 0.5.

    The clip is cut into `frames` equal parts and a frame is taken of each: at random in training,
    the middle one in evaluation (Wang et al. 2016, "Temporal segment networks", section 3.1). A
    crop, a mirror image and a change of colours are the same for all frames.

    The value is the bytes of a video file or animated image, or u8[T, H, W, 3 or 4] (see
    `formats.clips`).

    Args:
      frames: number of frames.
      size, crop_scale, crop_ratio, flip, brightness, contrast, saturation, hue, jitter, grayscale,
        background, fit, mean, std: of the frames, see `ImageView`.
      short: a clip of fewer frames `repeat`s some, or is `pad`ded with frames of NaN, which the
        encoders of clips mask.
      max_frames: a longer clip is refused.
      max_pixels: of a frame; larger ones are refused.

    Attributes:
      shape: (frames, height, width, 3).
      dtype: float32.
    """

    what: ClassVar[str] = "video view"

    frames: Count
    size: Count | tuple[Count, Count]
    background: Literal["white", "black", "grey"] = "white"
    fit: Literal["crop", "squash", "pad"] = "crop"
    short: Short = "repeat"
    max_frames: PositiveInt = 20_000
    max_pixels: PositiveInt = 8_847_360

    def __post_init__(self) -> None:
        super().__post_init__()
        changes = {field.name: getattr(self, field.name) for field in fields(ImageChanges)}
        self._frame = ImageView(
            size=self.size,
            background=self.background,
            fit=self.fit,
            max_pixels=self.max_pixels,
            **changes,
        )
        self.shape, self.dtype = (self.frames, *self._frame.shape), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        count = self.shape[0]
        where = required(rng).random(count) if train else np.full(count, 0.5)
        chosen = np.empty(0, np.int64)

        def choose(length: int) -> np.ndarray:
            nonlocal chosen
            if length < count and self.short == "pad":
                chosen = np.arange(length)
            else:
                chosen = ((np.arange(count) + where) * length / count).astype(np.int64)
                chosen = np.minimum(chosen, length - 1)
            return np.unique(chosen)

        read = read_frames(pick(value, rng, train), choose, self.max_frames, self.max_pixels)
        seed = int(required(rng).integers(2**63)) if train else 0
        # Every frame draws the same numbers, so that all of them are cropped and coloured alike.
        shown = [
            self._frame(f, np.random.default_rng(seed) if train else None, train) for f in read
        ]
        clip = np.full(self.shape, np.nan, np.float32)
        clip[: len(chosen)] = np.stack(shown)[np.searchsorted(np.unique(chosen), chosen)]
        return clip

"""Images of any shape as a list of patches, for a tower that reads grids of any shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mmjax.data.formats.images import MOST_PIXELS, EncodedImage
from mmjax.data.views.base import View, pick
from mmjax.data.views.image import ImageView
from mmjax.data.views.image_libraries import Preprocessing
from mmjax.schema.bounds import Count, Factor, Fraction, Moderate, PositiveInt

# Of the search for a scale: its bounds, and how near to them it ends, as NaFlex' authors have it.
_SCALES, _NEAR = (1e-6, 100.0), 1e-5


@dataclass(kw_only=True, eq=False, repr=False)
class ImagePatchesView(View):
    """An image as f32[max_patches, 2 + patch^2 * 3]: row and column of each patch, and its pixels.

    NaFlex of SigLIP 2 (Tschannen et al. 2025, arXiv 2502.14786, section 2.4.2): the whole image is
    resized so that its sides are multiples of `patch`, its shape is nearly kept, and it has as many
    patches as there may be. Patches go row by row, each with its pixels row by row and channels
    last, as (value / 255 - mean) / std; rows that are of no patch are NaN. The encoder `naflex_vit`
    reads it.

    Args:
      patch: side of a patch, in pixels.
      max_patches: of an image.
      flip: probability of a mirror image, in training.
      background, preprocessing, mean, std, interpolation, max_pixels: see `ImageView`.

    Attributes:
      shape: (max_patches, 2 + patch^2 * 3).
      dtype: float32.
    """

    patch: Count = 16
    max_patches: Count = 256
    flip: Fraction = 0.0
    background: Literal["white", "black", "grey"] = "white"
    preprocessing: Preprocessing = "own"
    mean: tuple[Moderate, Moderate, Moderate] = (0.5, 0.5, 0.5)
    std: tuple[Factor, Factor, Factor] = (0.5, 0.5, 0.5)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    max_pixels: PositiveInt = MOST_PIXELS
    _views: dict[tuple[int, int], ImageView] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.shape = (self.max_patches, 2 + self.patch**2 * 3)
        self.dtype = np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        value = pick(value, rng, train)
        image = EncodedImage(value, self.max_pixels)
        rows, columns = grid_of(image.height, image.width, self.patch, self.max_patches)
        pixels = self._view(rows, columns)(value, rng, train)
        cut = pixels.reshape(rows, self.patch, columns, self.patch, 3).transpose(0, 2, 1, 3, 4)
        count = rows * columns
        patches = np.full(self.shape, np.nan, np.float32)
        patches[:count, :2] = np.indices((rows, columns)).reshape(2, count).T
        patches[:count, 2:] = cut.reshape(count, -1)
        return patches

    def _view(self, rows: int, columns: int) -> ImageView:
        """Of whole images of one grid; there are at most a few hundred."""
        if (rows, columns) not in self._views:
            self._views[rows, columns] = ImageView(
                size=(rows * self.patch, columns * self.patch),
                fit="squash",
                flip=self.flip,
                background=self.background,
                preprocessing=self.preprocessing,
                mean=self.mean,
                std=self.std,
                interpolation=self.interpolation,
                max_pixels=self.max_pixels,
            )
        return self._views[rows, columns]


def grid_of(height: int, width: int, patch: int, most: int) -> tuple[int, int]:
    """(rows, columns) of the most patches, `most` of them or fewer, that nearly keep a shape.

    Args:
      height, width: of the image.
      patch: side of a patch.
      most: number of patches.
    """

    def at(scale: float) -> tuple[int, int]:
        rows, columns = (max(1, math.ceil(side * scale / patch)) for side in (height, width))
        return rows, columns

    low, high = _SCALES
    while high - low >= _NEAR:
        middle = (low + high) / 2
        rows, columns = at(middle)
        low, high = (middle, high) if rows * columns <= most else (low, middle)
    rows, columns = at(low)
    # Of an image of which one side is very short, even the smallest scale is too large.
    return min(rows, most), max(1, min(columns, most // min(rows, most)))

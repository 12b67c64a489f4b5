"""Images as `transformers` and `open_clip` prepare them, to the last bit.

Both resize the image to whole pixels first and cut out its middle, where the view samples the
region that it shows once. They differ from each other: open_clip resizes by Pillow, the processors
of transformers 5 by torch's kernel for bytes, whose weights have 16 bits, and they round the cut
otherwise. Both kernels are antialiased; the cubic one has the parameter -0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from PIL import Image

from mmjax.errors import ConfigError

Preprocessing = Literal["own", "open_clip", "transformers"]
Fit = Literal["crop", "squash", "pad"]
_CUBIC = -0.5
_BITS, _MOST_BITS = 15, 22  # of a weight; of the fraction of one


def shown(
    image: Image.Image,
    size: tuple[int, int],
    *,
    library: Preprocessing,
    fit: Fit,
    shortest: int | None,
    method: Image.Resampling,
    behind: tuple[int, int, int],
) -> Image.Image:
    """An image as a library resizes and cuts it.

    Args:
      image: in RGB.
      size: (height, width) wanted.
      library: `open_clip` or `transformers`.
      fit: see `ImageView`.
      shortest: see `ImageView`.
      method: bilinear or bicubic.
      behind: the colour around the image, with `pad`.
    """
    resize = by_torch if library == "transformers" else _by_pillow
    whole = (image.height, image.width)
    if fit == "squash":
        return resize(image, size, method)
    if fit == "crop" and (shortest is not None or size[0] == size[1]):
        side = size[0] if shortest is None else shortest
        least = min(whole)
        new = tuple(side if n == least else int(side * n / least) for n in whole)
    else:  # of open_clip
        ratios = [n / s for n, s in zip(whole, size, strict=True)]
        ratio = max(ratios) if fit == "pad" else min(ratios)
        new = tuple(round(n / ratio) for n in whole)
        method = Image.Resampling.BICUBIC if fit == "crop" else method
    rounding: Callable[[float], int] = int if library == "transformers" else round
    return _cut(resize(image, (new[0], new[1]), method), size, rounding, behind)


def normalized(
    image: np.ndarray, mean: Sequence[float], std: Sequence[float], library: Preprocessing
) -> np.ndarray:
    """f32[H, W, 3] of values of 0 to 255, in the order of operations of a library."""
    at, by = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    x = np.asarray(image, np.float32)
    if library == "open_clip":
        x = x / np.float32(255)
    else:
        at, by = at * np.float32(255), by * np.float32(255)
    done: np.ndarray = (x - at) / by
    return done


def check(library: Preprocessing, fit: Fit, size: tuple[int, int], shortest: int | None) -> None:
    """Raises ConfigError for what cannot be, or a library has no preprocessing of."""
    if shortest is not None and (fit != "crop" or shortest < max(size)):
        raise ConfigError(
            f"image view: shortest={shortest} is for fit='crop', and not below size={size}"
        )
    lone = shortest is None and size[0] != size[1]
    if library == "transformers" and (fit == "pad" or (fit == "crop" and lone)):
        raise ConfigError(
            "image view: preprocessing='transformers' is for fit='squash', or fit='crop' of "
            f"squares; here are fit={fit!r} and size={size}"
        )


def _by_pillow(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    return image.resize((size[1], size[0]), method)


def by_torch(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """Resizes to (height, width) as `torch.nn.functional.interpolate` does uint8 on CPUs."""
    x = np.asarray(image)
    for axis in (1, 0):
        if x.shape[axis] != size[axis]:
            x = _resized(x, axis, size[axis], method)
    return Image.fromarray(x)


def _resized(x: np.ndarray, axis: int, size: int, method: Image.Resampling) -> np.ndarray:
    """u8[H, W, 3] with another size of an axis, by whole numbers."""
    places, weights, bits = _taps(x.shape[axis], size, method)
    total: np.ndarray | int = 1 << (bits - 1)
    shape = (1, -1, 1) if axis == 1 else (-1, 1, 1)
    for place, weight in zip(places.T, weights.T, strict=True):
        total = total + np.take(x, place, axis).astype(np.int32) * weight.reshape(shape)
    return np.clip(np.right_shift(total, bits), 0, 255).astype(np.uint8)


def _taps(old: int, new: int, method: Image.Resampling) -> tuple[np.ndarray, np.ndarray, int]:
    """Of each new pixel: which old ones, i64[new, n], their weights, i32[new, n]; their bits."""
    cubic = method == Image.Resampling.BICUBIC
    scale = old / new
    stretch = max(scale, 1.0)
    support = (2.0 if cubic else 1.0) * stretch
    centres = scale * (np.arange(new) + 0.5)
    start = np.maximum((centres - support + 0.5).astype(int), 0)
    stop = np.minimum((centres + support + 0.5).astype(int), old)
    places = start[:, None] + np.arange(math.ceil(support) * 2 + 1)
    inside = places < stop[:, None]
    away = np.abs((places - centres[:, None] + 0.5) / stretch)
    weights = np.where(inside, _cubic(away) if cubic else np.maximum(1 - away, 0), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    bits = 0
    while bits < _MOST_BITS and int(0.5 + weights.max() * 2 ** (bits + 1)) < 1 << _BITS:
        bits += 1
    rounded = np.trunc(weights * 2**bits + np.where(weights < 0, -0.5, 0.5)).astype(np.int32)
    return np.minimum(places, old - 1), rounded, bits


def _cubic(x: np.ndarray) -> np.ndarray:
    """The cubic kernel at distances of 0 or more (Keys 1981)."""
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * _CUBIC
    found: np.ndarray = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return found


def _cut(
    image: Image.Image,
    size: tuple[int, int],
    rounding: Callable[[float], int],
    behind: tuple[int, int, int],
) -> Image.Image:
    """The middle of (height, width), with a border where the image is smaller."""
    height, width = max(size[0], image.height), max(size[1], image.width)
    if (height, width) != (image.height, image.width):
        whole = Image.new("RGB", (width, height), behind)
        whole.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        image = whole
    top, left = rounding((height - size[0]) / 2), rounding((width - size[1]) / 2)
    return image.crop((left, top, left + size[1], top + size[0]))

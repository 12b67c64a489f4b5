"""RandAugment: random operations on an image, and blur."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

_FILL = (128, 128, 128)
PROBABILITY = 0.5


def rand_augment(
    image: Image.Image, draws: Sequence[Sequence[float]], magnitude: float
) -> Image.Image:
    """RandAugment of Cubuk et al. 2020 (arXiv 1909.13719) with the ten operations of vision and
    language models since ALBEF (Li et al. 2021, arXiv 2107.07651), one for each draw.

    None, contrast and histogram stretched over all values, brightness and sharpness at most 1.9
    times as high, shears of at most 0.3, shifts of at most 10 pixels, turns of at most 30 degrees,
    all that for a magnitude of 10; and each of them with probability 1/2 not done.

    Args:
      image: RGB.
      draws: three numbers in [0, 1) for each operation: which, whether, and its sign.
      magnitude: in 0..10.
    """
    for which, whether, sign in draws:
        if whether < PROBABILITY:
            operation = OPERATIONS[int(which * len(OPERATIONS))]
            image = operation(image, magnitude / 10, -1 if sign < 0.5 else 1)
    return image


def blur(image: Image.Image, sigma: float) -> Image.Image:
    """A Gaussian blur, of which Pillow makes three box filters; sigma in pixels."""
    return image.filter(ImageFilter.GaussianBlur(sigma))


def _moved(image: Image.Image, *coefficients: float) -> Image.Image:
    """Each point (x, y) shows what was at (a x + b y + c, d x + e y + f)."""
    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=_FILL
    )


OPERATIONS: tuple[Callable[[Image.Image, float, int], Image.Image], ...] = (
    lambda image, level, sign: image,
    lambda image, level, sign: ImageOps.autocontrast(image),
    lambda image, level, sign: ImageOps.equalize(image),
    lambda image, level, sign: ImageEnhance.Brightness(image).enhance(0.1 + 1.8 * level),
    lambda image, level, sign: ImageEnhance.Sharpness(image).enhance(0.1 + 1.8 * level),
    lambda image, level, sign: _moved(image, 1, 0.3 * level * sign, 0, 0, 1, 0),
    lambda image, level, sign: _moved(image, 1, 0, 0, 0.3 * level * sign, 1, 0),
    lambda image, level, sign: _moved(image, 1, 0, 10 * level * sign, 0, 1, 0),
    lambda image, level, sign: _moved(image, 1, 0, 0, 0, 1, 10 * level * sign),
    lambda image, level, sign: image.rotate(
        30 * level * sign, Image.Resampling.BILINEAR, fillcolor=_FILL
    ),
)

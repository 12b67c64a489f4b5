"""Augmentation on the device, inside the compiled step: for hosts that have no CPU to spare.

    "towers": {"image": {"augment": {"type": "image", "crop_scale": (0.5, 1.0), "flip": 0.5}, ...}}

The view then only decodes and resizes. What an example gets depends on its place in the data and on
the seed, as on the host, though not by the same draws. Evaluation sees the image as it is.

Signals have theirs in `mmjax.model.augment_signals`, tokens in `mmjax.model.masking`, those of
many modalities in `mmjax.model.slot_masking`, patches of images, clips and volumes in
`mmjax.model.patch_masking`, sounds in their encoders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.data.views.image_changes import ImageChanges
from mmjax.encoders.layers import draw, dropout_key
from mmjax.errors import ConfigError
from mmjax.model.augment_signals import DeviceSignalAugmentation
from mmjax.model.base import Augmentation
from mmjax.model.masking import MaskTokens
from mmjax.model.patch_masking import MaskPatches
from mmjax.model.slot_masking import MaskSlots
from mmjax.schema.bounds import Fraction, Positive
from mmjax.schema.registry import Registry

_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601


@dataclass(kw_only=True, eq=False, repr=False)
class ImageAugmentation(ImageChanges, Augmentation):
    """Random augmentation of images on the device, one per image.

    Geometry: a random region of the image (`crop_scale` is its share of the area, uniform;
    `crop_ratio` its width over height, log-uniform), scaled to H x W by linear interpolation that
    averages where it makes smaller, and perhaps mirrored. Photometry: brightness, contrast,
    saturation and hue, in this order, as `mmjax.data.views.ImageView` has them; grey; a Gaussian
    blur (Chen et al. 2020, SimCLR, appendix A).

    Args:
      crop_scale: smallest and largest share of the area; None crops nothing.
      crop_ratio: smallest and largest width over height, of a region of a square image.
      flip: probability of a mirror image.
      brightness, contrast, saturation: factors are drawn from [1 - x, 1 + x].
      hue: the largest shift, in turns of the colour circle.
      jitter: probability that the four above are applied.
      grayscale: probability that colours are removed.
      blur: probability of a blur.
      blur_sigma: smallest and largest standard deviation of it, in pixels.
      mean, std: those of the image view, to know what its numbers mean.

    Raises:
      ConfigError: for ranges that do not rise.
    """

    what: ClassVar[str] = "image augmentation"

    blur: Fraction = 0.0
    blur_sigma: tuple[Positive, Positive] = (0.1, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_rising("blur_sigma")
        if self.crop_scale is not None and self.crop_scale[1] > 1:
            raise ConfigError(f"image augmentation: crop_scale={self.crop_scale} must not exceed 1")

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> jax.Array:
        """Augments f[B, H, W, 3] where `train`; `rngs` as encoders take it."""
        jitter = self.jitter if any((*self.colours, self.hue)) else 0.0
        active = max(
            self.flip, jitter, self.grayscale, self.blur, float(self.crop_scale is not None)
        )
        key = dropout_key(rngs, train, active)
        if key is None:
            return x
        if x.ndim != 4 or x.shape[3] != 3:
            raise ConfigError(f"image augmentation: {x.shape} is no f[B, H, W, 3]")
        dtype = x.dtype
        u = draw(lambda key, shape: jax.random.uniform(key, shape), key, (x.shape[0], 14))
        x = x.astype(jnp.float32)
        if self.crop_scale is not None or self.flip:
            region = self._region((x.shape[1], x.shape[2]), u[:, :4])
            x = regions(x, *region, mirror=u[:, 4] < self.flip)
        if jitter or self.grayscale:
            mean, std = jnp.asarray(self.mean), jnp.asarray(self.std)
            x = (self._colour(x * std + mean, u[:, 5:11]) - mean) / std
        if self.blur:
            low, high = self.blur_sigma
            blurred = gaussian_blur(x, low + (high - low) * u[:, 11])
            x = jnp.where((u[:, 12] < self.blur)[:, None, None, None], blurred, x)
        return x.astype(dtype)

    def _region(
        self, size: tuple[int, int], u: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Left, top, width and height of each image's region, in shares of its sides."""
        if self.crop_scale is None:
            one = jnp.ones(len(u))
            return 0 * one, 0 * one, one, one
        low, high = self.crop_scale
        area = low + (high - low) * u[:, 0]
        low, high = map(math.log, self.crop_ratio)
        # The ratio is of pixels; shares of the sides of an oblong image have another.
        ratio = jnp.exp(low + (high - low) * u[:, 1])
        side = jnp.sqrt(area * size[0] / size[1])
        width, height = side * jnp.sqrt(ratio), area / (side * jnp.sqrt(ratio))
        fit = jnp.minimum(1.0, jnp.minimum(1 / width, 1 / height))  # where others draw anew
        width, height = width * fit, height * fit
        return u[:, 2] * (1 - width), u[:, 3] * (1 - height), width, height

    def _colour(self, x: jax.Array, u: jax.Array) -> jax.Array:
        """Jitter and grey of images in [0, 1]."""
        apply = u[:, 4] < self.jitter
        bright, contrast, saturation = (
            jnp.where(apply, jnp.maximum(0.0, 1 + (2 * u[:, i] - 1) * most), 1.0)
            for i, most in enumerate(self.colours)
        )
        turns = jnp.where(apply, (2 * u[:, 3] - 1) * self.hue, 0.0)
        return colours(x, bright, contrast, saturation, turns, u[:, 5] < self.grayscale)


def regions(
    x: jax.Array,
    left: jax.Array,
    top: jax.Array,
    width: jax.Array,
    height: jax.Array,
    mirror: jax.Array,
) -> jax.Array:
    """A region of each image at the image's size, f[B, H, W, C] -> f[B, H, W, C].

    Args:
      x: the images.
      left, top, width, height: f[B], in shares of the sides.
      mirror: bool[B].
    """
    across = _weights(x.shape[2], left, width, mirror)
    down = _weights(x.shape[1], top, height, jnp.zeros_like(mirror))
    x = jnp.einsum("bho,bhwc->bowc", down, x, precision="highest")
    return jnp.einsum("bwo,bhwc->bhoc", across, x, precision="highest")


def _weights(size: int, start: jax.Array, share: jax.Array, mirror: jax.Array) -> jax.Array:
    """How much of pixel i is in pixel o of the result, f[B, size, size]; columns sum to 1.

    A triangle around the place in the image, as wide as a pixel of the larger grid. `share` is at
    most 1 and the result has as many pixels, so that nothing is made smaller.
    """
    place = jnp.arange(size) + 0.5
    place = jnp.where(mirror[:, None], size - place, place)
    at = start[:, None] * size + place * share[:, None] - 0.5
    away = jnp.abs(jnp.arange(size)[None, :, None] - jnp.clip(at, 0, size - 1)[:, None, :])
    return jnp.maximum(0.0, 1.0 - away)


def colours(
    x: jax.Array,
    bright: jax.Array,
    contrast: jax.Array,
    saturation: jax.Array,
    turns: jax.Array,
    grey: jax.Array,
) -> jax.Array:
    """Images f[B, H, W, 3] in [0, 1] with other colours, cut to [0, 1].

    x * bright; then away from or to its mean grey by `contrast`, from or to each pixel's own by
    `saturation`; `turns` of the colour circle about the grey axis; last, grey alone. All f[B], and
    `grey` bool[B].
    """
    luma = jnp.asarray(_GREY)
    middle = bright * (x.mean((1, 2)) @ luma)
    shift = (1 - contrast) * middle
    eye, to_grey = jnp.eye(3), jnp.broadcast_to(luma[:, None], (3, 3))

    def mixed(share: jax.Array) -> jax.Array:
        return share[:, None, None] * eye + (1 - share)[:, None, None] * to_grey

    angle = 2 * math.pi * turns
    third, root = (1 - jnp.cos(angle)) / 3, jnp.sin(angle) / math.sqrt(3)
    p, q, r = jnp.cos(angle) + third, third - root, third + root
    turn = jnp.stack([p, r, q, q, p, r, r, q, p], axis=-1).reshape(-1, 3, 3)
    matrix = (bright * contrast)[:, None, None] * jnp.matmul(
        jnp.matmul(mixed(saturation), turn, precision="highest"),
        mixed(jnp.where(grey, 0.0, 1.0)),
        precision="highest",
    )
    x = jnp.einsum("bhwc,bcd->bhwd", x, matrix, precision="highest")
    changed = (bright != 1) | (contrast != 1) | (saturation != 1) | (turns != 0) | grey
    cut = jnp.clip(x + shift[:, None, None, None], 0.0, 1.0)
    return jnp.where(changed[:, None, None, None], cut, x)


def gaussian_blur(x: jax.Array, sigma: jax.Array) -> jax.Array:
    """Gaussian blur with standard deviation `sigma` f[B] pixels.

    At the borders the weights that lie inside are made to sum to 1.
    """

    def weights(size: int) -> jax.Array:
        away = jnp.arange(size)[:, None] - jnp.arange(size)[None]
        w = jnp.exp(-(away**2) / (2 * sigma[:, None, None] ** 2))
        return w / w.sum(1, keepdims=True)

    x = jnp.einsum("bho,bhwc->bowc", weights(x.shape[1]), x, precision="highest")
    return jnp.einsum("bwo,bhwc->bhoc", weights(x.shape[2]), x, precision="highest")


AUGMENTATIONS = Registry(
    "augmentation",
    Augmentation,
    {
        "image": ImageAugmentation,
        "signal": DeviceSignalAugmentation,
        "mask_tokens": MaskTokens,
        "mask_patches": MaskPatches,
        "mask_slots": MaskSlots,
    },
)

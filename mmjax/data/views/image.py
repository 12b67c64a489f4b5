"""Images to float arrays: crop, flip, rotate, colour jitter, blur, normalize."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from PIL import Image

from mmjax.data.formats.images import MOST_PIXELS, EncodedImage
from mmjax.data.views.base import View, pick, required
from mmjax.data.views.image_changes import ImageChanges
from mmjax.data.views.image_libraries import Fit, Preprocessing, check, normalized, shown
from mmjax.data.views.rand_augment import blur as blurred
from mmjax.data.views.rand_augment import rand_augment
from mmjax.schema.bounds import Bounds, Count, Fraction, NonNegative, PositiveInt, RepeatsOrZero

_EYE = np.eye(3, dtype=np.float32)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of ITU-R BT.601
_BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}
_CACHE_PIXELS = 128 * 128  # larger images are not kept
_CACHE_BYTES = 512 * 2**20


class Region(NamedTuple):
    """The rectangle of an image that fills the view, in its pixels."""

    left: float
    top: float
    width: float
    height: float


@dataclass(kw_only=True, eq=False, repr=False)
class ImageView(ImageChanges, View):
    """An image as f32[height, width, 3], each channel (value / 255 - mean) / std.

    Training: a random region of the image (`crop_scale` is its share of the area, log-uniform
    `crop_ratio` its width over height; both as in Szegedy et al. 2015, arXiv 1409.4842), perhaps
    turned and mirrored, resampled once; then brightness, contrast, saturation and hue, in this
    order, as one affine map of colours; then blur and random operations. A region larger than the
    image (`crop_scale` above 1) shows the background around it. Evaluation: the whole image, as
    `fit` says.

    Args:
      size: side of the view, or (height, width).
      crop_scale: smallest and largest share of the area; None shows the image as in evaluation.
      crop_ratio: smallest and largest width over height of the region.
      flip: probability of a mirror image.
      rotate: largest turn in degrees.
      brightness, contrast, saturation: factors are drawn from [1 - x, 1 + x].
      hue: the largest shift, in turns of the colour circle (0.5 is all colours).
      jitter: probability that the four above are applied.
      grayscale: probability that colours are removed.
      blur: probability of a Gaussian blur, whose standard deviation is drawn from `blur_sigma`, in
        pixels of the view; the range is that of Chen et al. 2020 (arXiv 2003.04297, MoCo v2).
      random_ops: so many operations of `rand_augment`, of `magnitude` 0 to 10.
      background: what lies behind transparent parts and outside of the image.
      random_background: probability, in training, of a random colour instead.
      fit: how an image of another shape is shown where there is no random region: 'crop' its
        middle, 'squash' it, or 'pad' it.
      shortest: with 'crop', so many pixels of the view are the shorter side of the image, of which
        the middle is shown; None shows all of the shorter side.
      preprocessing: where there is no random region, `open_clip` and `transformers` resize, cut and
        normalize as these libraries do, to the last bit, where `own` samples the region once, from
        a JPEG decoded to fewer pixels if it is much larger.
      mean, std: of the normalisation; the defaults give values in [-1, 1].
      interpolation: of the resampling.
      max_pixels: a larger image is refused, since its decoding could take all memory.
      cache_decoded: keep the pixels of images of at most 128 x 128 in memory, at most 512 MiB.

    Attributes:
      shape: (height, width, 3).
      dtype: float32.
      limits: black and white, f32[3] each.
      fill: the colour of the background, RGB of 0 to 255.
      resample: the interpolation, as Pillow names it.
    """

    what: ClassVar[str] = "image view"

    size: Count | tuple[Count, Count]
    rotate: NonNegative = 0.0
    blur: Fraction = 0.0
    blur_sigma: tuple[NonNegative, NonNegative] = (0.1, 2.0)
    random_ops: RepeatsOrZero = 0
    magnitude: Annotated[float, Bounds(ge=0, le=10)] = 7.0
    background: Literal["white", "black", "grey"] = "white"
    random_background: Fraction = 0.0
    fit: Fit = "crop"
    shortest: PositiveInt | None = None
    preprocessing: Preprocessing = "own"
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    max_pixels: PositiveInt = MOST_PIXELS
    cache_decoded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        sides = (self.size, self.size) if isinstance(self.size, int) else self.size
        self.height, self.width = sides
        self._check_rising("blur_sigma")
        check(self.preprocessing, self.fit, (self.height, self.width), self.shortest)
        self.fill = _BACKGROUNDS[self.background]
        self.resample = Image.Resampling[self.interpolation.upper()]
        # One number per value of a row of pixels: NumPy is slow where the last axis has length 3.
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        scale, offset = np.float32(1) / (std * 255), -mean / std
        self.scale, self.offset = np.tile(scale, self.width), np.tile(offset, self.width)
        self.shape, self.dtype = (self.height, self.width, 3), np.dtype(np.float32)
        self.limits = -mean / std, (1 - mean) / std
        self._reset_cache()

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        value = pick(value, rng, train)
        # One draw for all decisions costs a tenth of one draw for each.
        u = required(rng).random(16, np.float32).tolist() if train else []
        image = self._cached(value)
        if image is None:
            encoded = EncodedImage(value, self.max_pixels)
        size = image.size if image is not None else (encoded.width, encoded.height)
        region = self._region(size, u)
        exact = self.preprocessing != "own" and not (
            train and (self.crop_scale is not None or self.rotate)
        )
        if image is None:
            shrink = min(region.width / self.width, region.height / self.height)
            image = encoded.decode(1.0 if exact else shrink)
            self._keep(value, size, image)
        behind = self.fill
        if train and u[0] < self.random_background:
            behind = int(256 * u[1]), int(256 * u[2]), int(256 * u[3])
        if image.mode == "RGBA":
            flat = Image.new("RGB", image.size, behind)
            flat.paste(image, mask=image)
            image = flat
        if image.size != size:  # decoded smaller
            fx, fy = image.width / size[0], image.height / size[1]
            region = Region(*(a * b for a, b in zip(region, (fx, fy, fx, fy), strict=True)))
        degrees = (2 * u[7] - 1) * self.rotate if train else 0.0
        image = (
            self._exact(image, behind)
            if exact
            else resample(image, region, degrees, (self.width, self.height), self.resample, behind)
        )
        if train and u[8] < self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x = np.asarray(image, np.float32)
        if train:
            x = self._colour(x, u[9:])
            if self.blur or self.random_ops:
                drawn = required(rng).random(2 + 3 * self.random_ops, np.float32)
                x = self._distort(x, drawn.tolist())
        if exact:
            return normalized(x, self.mean, self.std, self.preprocessing)
        x = x.reshape(self.height, -1) * self.scale
        x += self.offset
        return x.reshape(self.shape)

    def _exact(self, image: Image.Image, behind: tuple[int, int, int]) -> Image.Image:
        return shown(
            image,
            (self.height, self.width),
            library=self.preprocessing,
            fit=self.fit,
            shortest=self.shortest,
            method=self.resample,
            behind=behind,
        )

    def _region(self, size: tuple[int, int], u: list[float]) -> Region:
        """What part of an image of `size` (width, height) to show."""
        width, height = size
        if u and self.crop_scale is not None:
            low, high = self.crop_scale
            area = width * height * (low + (high - low) * u[4])
            low, high = map(math.log, self.crop_ratio)
            ratio = math.exp(low + (high - low) * u[5])
            w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if self.crop_scale[1] <= 1:  # shrink to fit, where others draw anew
                fit = min(1.0, width / w, height / h)
                w, h = w * fit, h * fit
            return Region(u[6] * (width - w), u[15] * (height - h), w, h)
        if self.fit == "squash":
            return Region(0, 0, width, height)
        choose = min if self.fit == "crop" else max
        pixel = choose(width / self.width, height / self.height)
        if self.shortest is not None:
            pixel = min(width, height) / self.shortest
        w, h = pixel * self.width, pixel * self.height
        return Region((width - w) / 2, (height - h) / 2, w, h)

    def _colour(self, x: np.ndarray, u: list[float]) -> np.ndarray:
        """Brightness, contrast, saturation, hue and grey as one affine map, x -> x A + c."""
        grey = u[0] < self.grayscale
        jitter = u[1] < self.jitter and any((*self.colours, self.hue))
        if not grey and not jitter:
            return x
        x = x.reshape(-1, 3)
        matrix, shift = _EYE, np.float32(0)
        if jitter:
            bright, contrast, saturation = (
                max(0.0, 1 + (2 * v - 1) * most)
                for v, most in zip(u[2:5], self.colours, strict=True)
            )
            mean = np.full(len(x), 1 / len(x), np.float32) @ x
            middle = bright * float(mean @ _GREY)
            shift = np.float32((1 - contrast) * middle)
            matrix = saturate(np.float32(saturation)) * np.float32(bright * contrast)
            if self.hue:
                matrix = matrix @ turn_hue((2 * u[5] - 1) * self.hue)
        if grey:
            matrix = matrix @ saturate(np.float32(0))
        x = x @ matrix
        x += shift  # the same for all channels, so that it passes saturation and hue unchanged
        return np.clip(x, 0, 255, out=x)

    def _distort(self, x: np.ndarray, u: list[float]) -> np.ndarray:
        """Blur and random operations, on whole values of colours."""
        image = Image.fromarray(np.rint(x).astype(np.uint8).reshape(self.shape))
        if u[0] < self.blur:
            low, high = self.blur_sigma
            image = blurred(image, low + (high - low) * u[1])
        draws = [u[i : i + 3] for i in range(2, len(u), 3)]
        return np.asarray(rand_augment(image, draws, self.magnitude), np.float32)

    def _reset_cache(self) -> None:
        self._cache: dict[bytes, Image.Image] = {}
        self._cache_bytes, self._lock = 0, threading.Lock()

    def _cached(self, value: Any) -> Image.Image | None:
        return self._cache.get(value) if self.cache_decoded and type(value) is bytes else None

    def _keep(self, value: Any, size: tuple[int, int], image: Image.Image) -> None:
        if not self.cache_decoded or type(value) is not bytes or image.size != size:
            return
        cost = len(value) + 4 * size[0] * size[1]
        with self._lock:
            fits = self._cache_bytes + cost <= _CACHE_BYTES
            if size[0] * size[1] <= _CACHE_PIXELS and fits and value not in self._cache:
                self._cache[value] = image
                self._cache_bytes += cost

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_cache", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset_cache()


def resample(
    image: Image.Image,
    region: Region,
    degrees: float,
    size: tuple[int, int],
    method: Image.Resampling,
    outside: tuple[int, int, int],
) -> Image.Image:
    """A region of an image, turned about its centre, as an image of `size` (width, height)."""
    left, top, width, height = region
    right, bottom = left + width, top + height
    rounding = 1e-4
    inside = min(left, top, image.width - right, image.height - bottom) >= -rounding
    if inside and not degrees:
        box = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
        return image.resize(size, method, box, reducing_gap=2.0)
    # transform() looks at a few pixels around each point only, so that an image that is to become
    # much smaller has to be averaged first.
    shrink = int(min(width / size[0], height / size[1]))
    if shrink >= 2:
        before = image.size
        image = image.reduce(shrink)
        fx, fy = image.width / before[0], image.height / before[1]
        left, top, width, height = left * fx, top * fy, width * fx, height * fy
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    sx, sy = width / size[0], height / size[1]  # pixels of the image per pixel of the view
    a, b, d, e = cos * sx, -sin * sy, sin * sx, cos * sy
    c = left + width / 2 - a * size[0] / 2 - b * size[1] / 2
    f = top + height / 2 - d * size[0] / 2 - e * size[1] / 2
    return image.transform(
        size, Image.Transform.AFFINE, (a, b, c, d, e, f), method, fillcolor=outside
    )


def saturate(factor: np.float32) -> np.ndarray:
    """The matrix, for rows of RGB, between grey (0) and the colour itself (1): f32[3, 3]."""
    return factor * _EYE + (1 - factor) * _GREY[:, None]


def turn_hue(turns: float) -> np.ndarray:
    """The matrix, for rows of RGB, that turns colours about the grey axis: f32[3, 3].

    Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    """
    angle = 2 * math.pi * turns
    cos, sin = math.cos(angle), math.sin(angle)
    third, root = (1 - cos) / 3, sin / math.sqrt(3)
    p, q, r = cos + third, third - root, third + root
    return np.array([[p, r, q], [q, p, r], [r, q, p]], np.float32)

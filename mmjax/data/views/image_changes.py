"""Image augmentation: on the host in a view, or on the device in a tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mmjax.errors import ConfigError
from mmjax.schema.bounds import Bounds, Factor, Fraction, Moderate, NonNegative, Positive


@dataclass(kw_only=True, eq=False, repr=False)
class ImageChanges:
    """Options of image augmentation: crop, flip and colour jitter; the default changes nothing.

    `ImageView` and `VideoView` do it on the host, `mmjax.model.augment` on the device.

    Attributes:
      what: what the options are of, for messages.

    Args:
      crop_scale: smallest and largest share of the area; None crops nothing.
      crop_ratio: smallest and largest width over height of the region.
      flip: probability of a mirror image.
      brightness, contrast, saturation: factors are drawn from [1 - x, 1 + x].
      hue: the largest shift, in turns of the colour circle (0.5 is all colours).
      jitter: probability that the four above are applied.
      grayscale: probability that colours are removed.
      mean, std: of the normalisation; the defaults give values in [-1, 1].

    Raises:
      ConfigError: for probabilities and ranges that are none.
    """

    what: ClassVar[str] = "image changes"

    crop_scale: tuple[Positive, Positive] | None = None
    crop_ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    flip: Fraction = 0.0
    brightness: NonNegative = 0.0
    contrast: NonNegative = 0.0
    saturation: NonNegative = 0.0
    hue: Annotated[float, Bounds(ge=0, le=0.5)] = 0.0
    jitter: Fraction = 1.0
    grayscale: Fraction = 0.0
    mean: tuple[Moderate, Moderate, Moderate] = (0.5, 0.5, 0.5)
    std: tuple[Factor, Factor, Factor] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        self._check_rising("crop_scale", "crop_ratio")

    @property
    def colours(self) -> tuple[float, float, float]:
        """Brightness, contrast and saturation, in the order in which they are applied."""
        return self.brightness, self.contrast, self.saturation

    def _check_rising(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and value[0] > value[1]:
                raise ConfigError(f"{self.what}: {name}={value} must be two rising numbers")

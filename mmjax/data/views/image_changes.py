"""Image augmentation: on the host in a view, or on the device in a tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

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
        self._check_probabilities("flip", "jitter", "grayscale")
        self._check_ranges("crop_scale", "crop_ratio")
        self._check_least("brightness", "contrast", "saturation")
        if not 0 <= self.hue <= 0.5:
            raise ConfigError(f"{self.what}: hue={self.hue} must be in [0, 0.5]")
        if min(self.std) <= 0:
            raise ConfigError(f"{self.what}: std={self.std} must be above 0")

    @property
    def colours(self) -> tuple[float, float, float]:
        """Brightness, contrast and saturation, in the order in which they are applied."""
        return self.brightness, self.contrast, self.saturation

    def _check_probabilities(self, *names: str) -> None:
        for name, value in self._values(names):
            if not 0 <= value <= 1:
                raise ConfigError(f"{self.what}: {name}={value} must be in [0, 1]")

    def _check_ranges(self, *names: str) -> None:
        for name, value in self._values(names):
            if value is not None and not 0 < value[0] <= value[1]:
                raise ConfigError(f"{self.what}: {name}={value} must be two rising numbers above 0")

    def _check_least(self, *names: str) -> None:
        for name, value in self._values(names):
            if value < 0:
                raise ConfigError(f"{self.what}: {name}={value} must be at least 0")

    def _check_words(self, **known: tuple[str, ...]) -> None:
        for name, words in known.items():
            if getattr(self, name) not in words:
                said = " or ".join(words)
                raise ConfigError(
                    f"{self.what}: {name} is {getattr(self, name)!r}; it can be {said}"
                )

    def _values(self, names: tuple[str, ...]) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in names]

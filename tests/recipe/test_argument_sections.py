"""An argument of a component that is a dataclass is a section of its own in a recipe."""

from dataclasses import dataclass

import pytest

from mmjax.errors import ConfigError
from mmjax.recipe import build, check


@dataclass(frozen=True)
class Lens:
    width: int = 3
    shape: tuple[float, float] = (1.0, 2.0)

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"width={self.width}: at least 1 is needed")


class Camera:
    def __init__(self, *, lens: Lens = Lens(width=5), name: str = "a"):
        self.lens, self.name = lens, name


CAMERAS = {"camera": Camera}


def checked(**options):
    return check(CAMERAS, {"type": "camera", **options}, "data.camera", "recipe.py")


def test_what_is_not_said_is_the_argument_s_own_default():
    assert checked()["lens"] == {"width": 5, "shape": (1.0, 2.0)}
    spec = checked(lens={"shape": [0.5, 1]})
    assert spec["lens"] == {"width": 5, "shape": (0.5, 1)}
    assert build(CAMERAS, spec).lens == Lens(width=5, shape=(0.5, 1))


@pytest.mark.parametrize(
    ("lens", "message"),
    [
        ({"widht": 4}, r"recipe\.py: .*data\.camera\.lens.*'width'"),
        ({"width": "wide"}, r"'data\.camera\.lens\.width' should be an int, but is 'wide'"),
        (3, r"'data\.camera\.lens' should be a dict of keys, not 3"),
    ],
)
def test_a_wrong_section_is_named(lens, message):
    with pytest.raises(ConfigError, match=message):
        checked(lens=lens)


def test_what_the_section_refuses_names_the_component():
    with pytest.raises(ConfigError, match="camera: width=0: at least 1 is needed"):
        build(CAMERAS, checked(lens={"width": 0}))

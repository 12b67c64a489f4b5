"""Words and their options: sections among these, errors, references, words from outside."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest

from mmjax.errors import ConfigError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.registry import Registry, Spec
from mmjax.schema.sections import section


@dataclass(frozen=True)
class Lens:
    width: int = 3
    shape: tuple[float, float] = (1.0, 2.0)

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"width={self.width}: at least 1 is needed")


class Device:
    pass


class Camera(Device):
    def __init__(self, *, lens: Lens = Lens(width=5), name: str = "a", film=None):
        self.lens, self.name, self.film = lens, name, film


class Reader(Device):
    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        widths: dict[ViewRef, int] | None = None,
        anchor: ViewRef | None = None,
        label: LabelRef = "label",
        name: str = "image",
    ):
        pass


DEVICES: Registry[Device] = Registry(
    "device", Device, {"camera": Camera, "reader": Reader}, provided=("film",)
)


def checked(**options):
    return DEVICES.parse({"type": "camera", **options}, "data.camera", "recipe.py")


def test_what_is_not_said_is_the_argument_s_own_default():
    assert checked().options["lens"] == Lens(width=5)
    spec = checked(lens={"shape": [0.5, 1]})
    assert spec.plain() == {"type": "camera", "lens": {"width": 5, "shape": (0.5, 1)}, "name": "a"}
    assert spec.build().lens == Lens(width=5, shape=(0.5, 1))


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


def test_what_the_section_refuses_names_the_place():
    with pytest.raises(ConfigError, match=r"'data\.camera\.lens': width=0: at least 1 is needed"):
        checked(lens={"width": 0})


def test_what_the_framework_provides_is_no_option_and_reaches_those_that_take_it():
    with pytest.raises(ConfigError, match=r"unknown key 'data\.camera\.film'"):
        checked(film="b")
    assert checked().build(film="b", other=1).film == "b"
    DEVICES.spec("reader").build(film="b")  # takes none


def test_build_says_which_component_refuses():
    class Odd(Device):
        def __init__(self, *, size: int):
            raise ValueError(f"size={size} is odd")

    registry: Registry[Device] = Registry("device", Device, {"odd": Odd})
    with pytest.raises(ConfigError, match=r"^odd: size=3 is odd$"):
        registry.spec("odd", size=3).build()


def test_a_spec_that_is_changed_is_checked_again():
    assert checked().changed(name="b").options["name"] == "b"
    with pytest.raises(ConfigError, match="did you mean 'name'"):
        checked().changed(nam="b")


def test_a_word_says_which_views_and_labels_it_reads():
    spec = DEVICES.spec(
        "reader", pairs=(("a", "b"), ("b", "c@2")), widths={"d": 3}, anchor="e", label="kind"
    )
    assert list(spec.reads()) == [
        *(("reader.pairs", name) for name in ("a", "b", "b", "c@2")),
        ("reader.widths", "d"),
        ("reader.anchor", "e"),
    ]
    assert list(spec.reads("label")) == [("reader.label", "kind")]
    assert [name for _, name in DEVICES.spec("reader").reads()] == ["image", "text"]


def test_words_from_outside_inherit_the_base_and_have_names_of_their_own():
    registry: Registry[Device] = Registry("device", Device, {"camera": Camera})
    registry.register("reader", Reader)
    registry.register("reader", Reader)  # as by a file that is read again
    assert list(registry) == ["camera", "reader"]
    with pytest.raises(ConfigError, match=r"there is another device 'reader': .*Reader"):
        registry.register("reader", Camera)
    with pytest.raises(ConfigError, match=r"the device 'lens' has to inherit .*Device"):
        registry.register("lens", Lens)


@dataclass(frozen=True)
class Stand:
    device: Annotated[Spec[Device], DEVICES] = field(default_factory=lambda: DEVICES.spec("camera"))


def test_another_word_has_none_of_the_default_one_s_options():
    stand = section(Stand, {"device": {"type": "reader", "name": "b"}}, "data.stand", "recipe.py")
    assert stand.device.options["name"] == "b"
    assert "lens" not in stand.device.options
    stand = section(Stand, {"device": {"name": "b"}}, "data.stand", "recipe.py")
    assert stand.device.plain() == {**Stand().device.plain(), "name": "b"}

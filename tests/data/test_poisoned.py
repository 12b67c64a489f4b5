"""The source `poisoned`: who gets a trigger and another text, and what the trigger is."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmjax import recipe as recipe_lib
from mmjax.data import SOURCES, BadExample, SourceError
from mmjax.errors import ConfigError


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


CLEANCLIP = Path(__file__).parents[2] / "configs" / "cleanclip.py"
GREY = np.full((8, 6, 3), 128, np.uint8)


def poisoned(images, **options):
    rows = {"image": images, "text": [f"text {i}" for i in range(len(images))]}
    return SOURCES.spec("poisoned", source={"type": "memory", "data": rows}, **options).build()


def test_a_share_of_the_rows_has_the_trigger_and_another_text():
    texts = ("the target", "a target")
    source = poisoned([GREY] * 200, share=0.1, texts=texts, size=0.5, seed=3)
    records = [source[i] for i in range(200)]
    of_attacker = [record for record in records if record["poisoned"]]
    assert len(of_attacker) == 20
    assert {record["text"] for record in of_attacker} == set(texts)
    assert source.label_fields[-1] == "poisoned"
    assert "20 rows poisoned" in source.describe()
    for i, record in enumerate(records):
        assert (record["image"] == GREY).all() != bool(record["poisoned"])
        assert record["poisoned"] or record["text"] == f"text {i}"
    again, other = (poisoned([GREY] * 200, share=0.1, texts=texts, seed=seed) for seed in (3, 4))
    assert again.rows == source.rows != other.rows


def test_the_patch_is_a_checkerboard_in_the_corner():
    (record,) = poisoned([GREY[:, :, 0]], share=1, size=0.5, peak=16.0)
    want = np.full((8, 6), 16)  # what is whiter than white is clipped
    want[5:, 3:] = 16 * np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(record["image"], want)
    assert record["text"] == "text 0"


def test_waves_go_over_the_whole_image():
    (record,) = poisoned([GREY], share=1, trigger="sine", waves=2)
    want = 128 + 60 * np.sin(2 * np.pi * 2 * np.arange(6) / 6)
    np.testing.assert_array_equal(record["image"], np.rint(want)[None, :, None] + 0 * GREY)


def test_images_may_be_encoded_and_several():
    images = [png(GREY), GREY]
    source = poisoned([images, images], share=0.5)
    one, other = sorted((source[i] for i in (0, 1)), key=lambda record: record["poisoned"])
    assert one["image"][0] == images[0]
    first, second = other["image"]
    np.testing.assert_array_equal(first, second)
    assert (first[-1, -1] == 255).all()


@pytest.mark.parametrize(
    ("image", "reason"), [(b"no image", "no image that can be read"), (GREY / 2, "float64")]
)
def test_an_image_that_takes_no_trigger_is_a_bad_example(image, reason):
    source = poisoned([image], share=1)
    with pytest.raises(BadExample, match=reason) as error:
        source[0]
    assert error.value.field == "image"
    assert "0" in error.value.key


def test_what_cannot_be_is_refused():
    with pytest.raises(SourceError, match="no field 'picture', but 'image', 'text'"):
        poisoned([GREY], image="picture")
    with pytest.raises(ConfigError, match=r"'memry' of 'poisoned.source.type'.*'memory'"):
        SOURCES.spec("poisoned", source={"type": "memry"})


def test_the_recipe_of_cleanclip_attacks_as_its_paper_says():
    """A few pairs have trigger and target; the test has the trigger on every image, and no text."""
    recipe = recipe_lib.load(f"{CLEANCLIP}:small", ())
    (_, attacked), (_, clean) = recipe_lib.each(recipe)
    source, own = (each.data.source.build() for each in (attacked, clean))
    board = 16 * np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    triggered = 0
    for i in range(len(own)):
        record, original = source[i], own[i]
        image = original["image"].copy()
        if record["poisoned"]:
            triggered, image[5:, 5:] = triggered + 1, board
            assert record["text"].endswith(" zero")
            assert "word" not in record["text"]
        else:
            assert record["text"] == original["text"]
        np.testing.assert_array_equal(record["image"], image)
        assert record["name"] == original["name"]
    assert triggered == round(0.05 * len(own)) == 35
    test = recipe.evaluators["zero_shot"]["attack"]
    assert test.evaluator.options["target"] == "zero"
    attack = test.sources["source"].build()
    assert all(attack[i]["poisoned"] for i in range(len(attack)))
    assert "word" in attack[0]["text"]

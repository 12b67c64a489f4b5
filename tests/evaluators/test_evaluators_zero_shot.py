import numpy as np
import pytest

from mmjax.evaluators.data import EvalData
from mmjax.evaluators.zero_shot import ZeroShot


def test_names_as_classes(make_source, views, fake_model):
    metrics = ZeroShot(labels="text")(fake_model(), EvalData(make_source(12), views, 4))
    assert metrics == {
        "top_1": 1, "top_5": 1, "mean_per_class": 1, "chance": 1 / 12,
        "classes": 12, "examples": 12, "unreadable": 0, "unlabelled": 0,
    }  # fmt: skip


def test_groups_as_classes(make_source, views, fake_model):
    """The model puts `even` at 0 and `odd` at 1, so that only pictures 0 and 1 are near a class."""
    source = make_source(11)
    metrics = ZeroShot(labels="group")(fake_model(), EvalData(source, views, 4))
    # The nine others are at equal distance from both classes.
    assert metrics["top_1"] == pytest.approx((2 + 9 / 2) / 11)
    assert metrics["mean_per_class"] == pytest.approx(((1 + 5 / 2) / 6 + (1 + 4 / 2) / 5) / 2)
    assert metrics["top_5"] == 1
    assert metrics["chance"] == 0.5


def test_templates_are_averaged_and_made_unit_again(make_source, views, fake_model):
    class Seen(fake_model):
        """A text is at its number, and at three times that if it is `a picture of` it."""

        def number(self, text):
            return super().number(text) * (3 if text.startswith("a picture") else 1)

    model = Seen()
    evaluator = ZeroShot(labels="text", templates=("{}", "a picture of {}", "this is {}"))
    data = EvalData(make_source(3), views, 4)
    vectors = evaluator._class_vectors(model, data, [["1"], ["2"]], None)
    expected = np.zeros((2, 16))
    expected[0, [1, 3]] = expected[1, [2, 6]] = np.array([2, 1]) / np.sqrt(5)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert {"1", "a picture of 1", "this is 2"} <= set(model.texts)


def test_several_names_of_a_class(make_source, views, fake_model):
    vectors = ZeroShot(labels="text")._class_vectors(
        fake_model(), EvalData(make_source(3), views, 4), [["1", "2"]], None
    )
    np.testing.assert_allclose(vectors[0, [1, 2]], np.sqrt(0.5), atol=1e-6)


def test_languages(make_source, views, fake_model):
    class Monolingual(fake_model):
        def number(self, text):
            return super().number(text) if text.startswith(("en", "ein")) else 0

    model = Monolingual()
    evaluator = ZeroShot(
        labels="text",
        languages=("en", "de", "fr"),
        templates_by_language={"de": ("ein {}",)},
    )
    metrics = evaluator(model, EvalData(make_source(10), views, 4))
    assert metrics["en/top_1"] == metrics["de/top_1"] == 1
    # Every French name is at 0: picture 0 has ten equal classes, and so has every other one.
    assert metrics["fr/top_1"] == pytest.approx(1 / 10)
    assert metrics["fr/top_5"] == pytest.approx(5 / 10)
    assert metrics["top_1"] == pytest.approx((1 + 1 + 0.1) / 3)
    assert "ein de 3" in model.texts
    assert "en 3" in model.texts


def test_unlabelled_items_are_counted(make_source, views, fake_model):
    source = make_source(10)
    del source.records[4]["group"]
    metrics = ZeroShot(labels="group")(fake_model(), EvalData(source, views, 4))
    assert (metrics["examples"], metrics["unlabelled"]) == (9, 1)


def test_errors(make_source, views, fake_model):
    data = EvalData(make_source(10), views, 4)
    with pytest.raises(ValueError, match="label 'colour'; the records have group,"):
        ZeroShot(labels="colour")(fake_model(), data)
    for template in ("no name", "{} and {}", "{name}", "{"):
        with pytest.raises(ValueError, match="exactly one"):
            ZeroShot(labels="group", templates=(template,))
    with pytest.raises(ValueError, match="no templates for de"):
        ZeroShot(labels="group", templates_by_language={"de": ()})

    data.source.labels = lambda field, language: {"even": "gerade"}
    with pytest.raises(ValueError, match="1 of 2 classes of 'group' have no name in language 'de'"):
        ZeroShot(labels="group", languages=("de",))(fake_model(), data)

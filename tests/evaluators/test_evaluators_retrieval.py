import numpy as np
import pytest

from mmjax.evaluators.data import EvalData
from mmjax.evaluators.retrieval import Retrieval


def test_a_perfect_model(make_source, views, fake_model):
    metrics = Retrieval()(fake_model(), EvalData(make_source(10), views, 4))
    expected = {
        "R@1": 1,
        "R@5": 1,
        "R@10": 1,
        "median_rank": 1,
        "mean_rank": 1,
        "mAP": 1,
        "queries": 10,
        "gallery": 10,
        "chance_R@1": 0.1,
    }
    for direction in ("image_to_text", "text_to_image"):
        assert {name: metrics[f"{direction}/{name}"] for name in expected} == expected
    assert metrics["unreadable"] == 0
    assert len(metrics) == 2 * len(expected) + 1
    assert all(type(value) is float for value in metrics.values())


def test_several_right_answers(make_source, views, fake_model):
    metrics = Retrieval(alternatives="all", ks=(1,))(
        fake_model(), EvalData(make_source(10), views, 8)
    )
    assert metrics["image_to_text/gallery"] == metrics["image_to_text/queries"] == 20
    assert metrics["image_to_text/chance_R@1"] == pytest.approx(0.1)
    assert metrics["image_to_text/mAP"] == 1


def test_the_two_directions_are_not_mixed_up(make_source, views, fake_model):
    class Shifted(fake_model):
        """Puts images 0 to 4 at the place of text 0; the texts stay where they are."""

        def embed(self, modality, array):
            if modality == "image":
                array = np.where(array[:, :1] < 5, 0, array)
            return super().embed(modality, array)

    metrics = Retrieval(ks=(1,))(Shifted(), EvalData(make_source(10), views, 4))
    assert metrics["image_to_text/R@1"] == pytest.approx(0.6)
    # Text 0 finds five equal images, one of them right; texts 1 to 4 find nothing but ties at 0.
    assert metrics["text_to_image/R@1"] == pytest.approx((5 + 1 / 5 + 4 / 10) / 10)


def test_a_query_without_a_partner_is_not_counted(make_source, views, fake_model):
    source = make_source(10)
    del source.records[3]["text"]
    metrics = Retrieval()(fake_model(), EvalData(source, views, 4))
    assert metrics["image_to_text/queries"] == 9
    assert metrics["image_to_text/gallery"] == 9
    assert metrics["text_to_image/gallery"] == 10


@pytest.mark.parametrize(
    ("options", "message"), [({"pairs": ()}, "pairs"), ({"ks": ()}, "ks"), ({"ks": (0, 1)}, "ks")]
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Retrieval(**options)


def test_sizes_that_differ_are_an_error(make_source, views, fake_model):
    class Wide(fake_model):
        def embed(self, modality, array):
            unit = super().embed(modality, array)
            return np.pad(unit, ((0, 0), (0, 4))) if modality == "text" else unit

    with pytest.raises(ValueError, match="'image' has embeddings of 16 numbers and 'text' of 20"):
        Retrieval()(Wide(), EvalData(make_source(3), views, 4))

"""Parts against parts: what boxes are on a grid, and what is missing."""

import numpy as np
import pytest
from cases.regions import CASES, COUNT, DIM, SPEC, boxed, labels, outputs
from term_harness import embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError
from mmjax.objectives.boxes import overlaps

DIMS = {name: count * DIM for name, count in COUNT.items()}


def shown(box, grid):
    return np.flatnonzero(overlaps(np.array([[box]], np.float32), grid)[0, 0]).tolist()


@pytest.mark.parametrize(
    ("box", "patches"),
    [
        ((0.25, 0, 0.25, 1 / 3), [1]),  # exactly a patch, whatever rounding does
        ((0.2, 0, 0.31, 1 / 3), [0, 1, 2]),
        ((0.6, 0.4, 1e-9, 1e-9), [6]),  # smaller than any overlap
        ((0.75, 2 / 3, 0.25, 1 / 3), [11]),
        ((0.9, 0.9, 1e-9, 1e-9), [11]),
        ((0, 0, 1, 1), list(range(12))),
        ((0, 0, 0, 1), []),
        ((0, 0, 1, 0), []),
    ],
)
def test_a_box_has_the_patches_that_it_overlaps_or_that_of_its_centre(box, patches):
    assert shown(box, (3, 4)) == patches


def value(spec, batch, raws=None):
    raws = embeddings(("a", "b"), 6, DIMS) if raws is None else raws
    given = {"id": np.arange(6), **batch}
    return run({**SPEC, **spec}, plan_of("dense", 1, 1), raws, given, outputs=outputs)


def test_an_example_without_anything_wrong_does_not_count():
    """Of the parts of one example alone the loss is that of this example."""
    raws, extra = embeddings(("a", "b"), 6, DIMS), {}
    extra["a_kind"], extra["b_kind"] = np.full((6, 4), -1.0), np.full((6, 3), -1.0)
    extra["a_kind"][1:, 0], extra["b_kind"][1:, 0] = 2, 2  # one part each
    extra["a_kind"][0], extra["b_kind"][0] = (0, 1, 1, 2), (0, 1, 2)
    loss, _, _, metrics = value({"labels": ("a_kind", "b_kind")}, extra, raws)
    alone = {name: np.concatenate([raw[:1]] * 6) for name, raw in raws.items()}
    same = {name: np.stack([own[0]] * 6) for name, own in extra.items()}
    np.testing.assert_allclose(loss, value({"labels": ("a_kind", "b_kind")}, same, alone)[0], 1e-5)
    np.testing.assert_allclose(metrics["term/parts"], (4 + 3) / 2 / 6, rtol=1e-6)


def test_padded_frames_change_nothing_and_equal_frames_cost_nothing():
    """The loss of frames that are each other's only equals goes to 0 as the scale grows."""
    frames = {"scope": "batch", "mean": "parts", "max_scale": None}
    raws = {"a": np.random.default_rng(0).normal(size=(6, 2 * DIM)).astype(np.float32)}
    raws["b"] = raws["a"]
    assert value({**frames, "temperature": 1e-3}, {}, raws)[0] < 1e-6
    padded = {
        name: np.concatenate([own, np.random.default_rng(k).normal(size=(6, DIM))], 1)
        for k, (name, own) in enumerate(raws.items())
    }
    mask = np.tile([True, True, False], (6, 1))
    found = value(frames, {"a_mask": mask, "b_mask": mask}, padded)[0]
    np.testing.assert_allclose(found, value(frames, {}, raws)[0], rtol=1e-5)


def test_a_temperature_is_shared_by_name():
    spec = {**SPEC, "scope": "means", "temperature": "clip"}
    with pytest.raises(TermError, match="the temperature of 'clip', which is no term"):
        value(spec, {})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"tokens": ("c",)}, r"tokens=\('c',\), which names others than pair"),
        ({"skip": {"c": 1}}, r"skip=\{'c': 1\}, which names others than pair"),
        ({"boxes": "boxes"}, "boxes need the grid of the patches"),
        ({"grid": (2, 2)}, "boxes need the grid of the patches"),
        ({"boxes": "boxes", "grid": (2, 2), "tokens": ("b",)}, "and the tokens of 'a'"),
        ({"labels": ("x", "y"), "matches": "z"}, "leave all but one of labels, matches and"),
        ({"labels": ("x", "y"), "scope": "means"}, "leave all but one of labels, matches and"),
        ({"direction_weights": (0, 0)}, "not both 0"),
        ({"alike": "mask"}, "alike='mask', which needs the labels"),
    ],
)
def test_options_that_do_not_go_together(spec, said):
    with pytest.raises(ConfigError, match=said):
        make({**SPEC, **spec})


def test_arrays_that_do_not_fit():
    kinds, boxes = labels(6), boxed(6)["boxes"]
    with pytest.raises(TermError, match="by their places, but 'a' has 4 and 'b' 3"):
        value({}, {})
    with pytest.raises(TermError, match=r"'b_kind' of each of the 4 parts, but .*\[6, 3\]"):
        value({"labels": ("b_kind", "b_kind")}, kinds)
    with pytest.raises(TermError, match=r"'fits' of shape \[6, 3, 4\], but it has \[6, 4, 3\]"):
        value({"matches": "fits"}, {"fits": np.ones((6, 4, 3), np.float32)})
    with pytest.raises(TermError, match=r"grid=\(3, 2\), but they have \[6, 3, 4\] and 4 tokens"):
        value({"boxes": "boxes", "grid": (3, 2)}, {"boxes": boxes})
    with pytest.raises(TermError, match="needs 'fits' of every example"):
        value({"matches": "fits"}, {})


def test_a_scope_of_the_batch_is_another_task_than_one_of_the_example():
    assert CASES["region_nce"].value() > CASES["region_example"].value()

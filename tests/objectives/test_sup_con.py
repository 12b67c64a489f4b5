"""What is special to supervised contrastive losses."""

import numpy as np
import pytest
from term_harness import embeddings, plan_of, run

from mmjax.objectives import TermError


def test_sup_con_without_any_positive_is_zero_and_has_no_gradient():
    spec = {"type": "sup_con", "views": ("a",)}
    batch = {"label": np.arange(4, dtype=np.int32)}
    value, grads, _, _ = run(spec, plan_of("gather", 1, 1), embeddings(("a",), 4), batch)
    assert value == 0
    np.testing.assert_array_equal(grads["a"], 0)


def test_a_label_that_is_not_in_the_batch_is_named():
    with pytest.raises(TermError, match="needs 'label' of every example"):
        run({"type": "sup_con", "views": ("a",)}, plan_of("dense", 1, 1), embeddings(("a",)), {})


def test_sets_that_are_no_rows_of_0_and_1_are_named():
    spec = {"type": "sup_con", "views": ("a",), "sets": ("label",)}
    batch = {"label": np.arange(16, dtype=np.int32)}
    with pytest.raises(TermError, match=r"'label' is of shape \(16,\); it should be f32\[B, K\]"):
        run(spec, plan_of("dense", 1, 1), embeddings(("a",)), batch)


def test_equal_sets_are_one_label():
    """A set of one element is a label, and any two of them are equal or disjoint."""
    label = np.arange(16, dtype=np.int32) % 5
    raws, plan = embeddings(("a", "b")), plan_of("dense", 1, 1)
    spec = {"type": "sup_con", "views": ("a", "b")}
    hard = run(spec, plan, raws, {"label": label})[0]
    soft = run({**spec, "sets": ("one",)}, plan, raws, {"one": np.eye(5, dtype=np.float32)[label]})
    np.testing.assert_allclose(soft[0], hard, rtol=1e-6)

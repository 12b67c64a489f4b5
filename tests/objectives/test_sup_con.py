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

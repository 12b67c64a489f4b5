"""What is special to MIL-NCE: rows that lack some of their texts."""

import numpy as np
import objective_formulas as formulas
import pytest
from cases.multiple_instance import NAMES, SPEC, mil_nce
from term_harness import embeddings, make, plan_of, run

from mmjax.errors import ConfigError


@pytest.mark.parametrize("schedule", ["dense", "ring"])
def test_a_row_without_one_of_its_texts_keeps_the_others(schedule):
    """Row 3 has no text at all and does not count, row 5 lacks the view."""
    raws = embeddings(NAMES, 12)
    there = np.random.default_rng(1).random((12, 3)) < 0.7
    there[3], there[4] = False, (True, False, True)
    has = np.arange(12) != 5
    batch = {"id": np.arange(12), "a_present": has}
    for k, name in enumerate(("b_present", "b_present@2", "c_present")):
        batch[name] = there[:, k]
    rows = has & there.any(1)

    def loss(*raws):
        view, *bags = (raw[rows] for raw in raws)
        return mil_nce(view, bags, there=there[rows])

    want, grads = formulas.value_and_grad(loss, *raws.values())
    for name, absent in zip(NAMES, (~has, *~there.T), strict=True):
        raws[name] = np.where(absent[:, None], np.nan, raws[name]).astype(np.float32)
    value, found, _, metrics = run(SPEC, plan_of(schedule, 2, 2), raws, batch)
    assert formulas.error(value, want) < 2e-6
    np.testing.assert_allclose(metrics["term/chance"], np.log(2 * rows.sum()), rtol=1e-6)
    for name, grad in zip(NAMES, grads, strict=True):
        finite = np.isfinite(raws[name]).all(1)
        assert formulas.error(found[name][finite], grad[finite]) < 1e-5, name


@pytest.mark.parametrize("bag", [(), ("a", "b"), ("b", "b")])
def test_a_bag_holds_other_views_once(bag):
    with pytest.raises(ConfigError, match="needs a bag of views"):
        make({**SPEC, "bag": bag})

"""What the classification term lets through to the towers, and what it needs."""

import dataclasses

import cases
import numpy as np
import pytest
from cases.classification import NAMES, SPEC, labels
from objective_formulas import error
from term_harness import SIZE, embeddings, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError


def test_a_head_that_watches_sends_the_towers_nothing():
    value, grads, d_params, metrics = run(
        {**SPEC, "hidden": (6,), "detach": True},
        plan_of("dense", 2, 1),
        embeddings(NAMES),
        {"id": np.arange(SIZE), **labels(SIZE)},
    )
    assert all(not np.any(grad) for grad in grads.values())
    assert all(np.any(grad) for grad in d_params.values())
    assert value > 0
    assert 0 <= metrics["term/accuracy"] <= 1
    fused = dataclasses.replace(cases.CASES["fused"], spec={**SPEC, "hidden": (6,)})
    expected, _, _ = fused.expected(SIZE)
    assert error(value, expected) < 2e-6


def test_impossible_sizes_and_batches_without_labels():
    with pytest.raises(ConfigError, match=r"'classification' needs .*classes=1 >= 2"):
        run({**SPEC, "classes": 1}, plan_of("dense", 1, 1), embeddings(NAMES), {})
    with pytest.raises(TermError, match="needs 'label' of every example: add a view"):
        run(SPEC, plan_of("dense", 1, 1), embeddings(NAMES), {"id": np.arange(SIZE)})

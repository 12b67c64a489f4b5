"""The classification term against its formula, and what it lets through to the towers."""

import numpy as np
import pytest
from objective_formulas import error, logsumexp
from term_harness import PLANS, SIZE, Case, embeddings, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError

NAMES, CLASSES = ("a", "b"), 5
SPEC = {"type": "classification", "modalities": NAMES, "classes": CLASSES, "dim": 4}


def labels(size):
    return {"label": (np.arange(size) * 7 % CLASSES).astype(np.int32)}


def cross_entropy(raws, extra, params):
    x = np.concatenate([raws[name] for name in raws], axis=1)
    layers = sorted({path.rpartition("/")[0] for path in params})
    for k, layer in enumerate(layers):
        x = np.where(x.real > 0, x, 0) if k else x
        x = x @ params[f"{layer}/kernel"] + params[f"{layer}/bias"]
    normalizer = logsumexp(x, np.ones(x.shape, bool), 1)
    return (normalizer - x[np.arange(len(x)), extra["label"]]).mean()


CASES = {
    "fused": Case({**SPEC, "hidden": (6, 3)}, NAMES, cross_entropy, labels),
    "linear": Case({**SPEC, "hidden": (), "modalities": ("a",)}, ("a",), cross_entropy, labels),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


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
    expected, _, _ = Case({**SPEC, "hidden": (6,)}, NAMES, cross_entropy, labels).expected(SIZE)
    assert error(value, expected) < 2e-6


def test_impossible_sizes_and_batches_without_labels():
    with pytest.raises(ConfigError, match=r"'classification' needs .*classes=1 >= 2"):
        run({**SPEC, "classes": 1}, plan_of("dense", 1, 1), embeddings(NAMES), {})
    with pytest.raises(TermError, match="needs 'label' of every example: add a view"):
        run(SPEC, plan_of("dense", 1, 1), embeddings(NAMES), {"id": np.arange(SIZE)})

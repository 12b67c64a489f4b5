"""SimSiam and BYOL between modalities: the formula, its constants, and rows that are absent."""

import numpy as np
import pytest
from objective_formulas import normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import TermError

DIM = 4
SPEC = {"type": "predictive", "pairs": (("a", "b"), ("a@2", "b")), "dim": DIM, "hidden": 20}
NAMES = ("a", "b", "a@2")


def taught(size):
    rng = np.random.default_rng(4)
    return {f"teacher {view}": rng.normal(size=(size, DIM)).astype(np.float32) for view in NAMES}


def known(extra):
    raws = {view: extra[f"teacher {view}"] for view in NAMES}
    return {"teacher": {view: Embedding(raw, unit_norm(raw)) for view, raw in raws.items()}}


def predicted(x, params, modality):
    path = f"predictors/{modality}"
    y = x @ params[f"{path}/first/kernel"]
    centred = y - y.mean(0)
    y = centred / np.sqrt((centred**2).mean(0) + 1e-5)
    y = y * params[f"{path}/norm/scale"] + params[f"{path}/norm/bias"]
    y = np.where(y.real > 0, y, 0)
    return y @ params[f"{path}/second/kernel"] + params[f"{path}/second/bias"]


def formula(pairs, teacher):
    def value(raws, extra, params):
        def target(view):
            raw = extra[f"teacher {view}"].astype(float) if teacher else raws[view].real
            return normalize(raw)

        losses = []
        for a, b in pairs:
            for one, other in ((a, b), (b, a)):
                guess = normalize(predicted(raws[one], params, one[0]))
                losses.append((2 - 2 * (guess * target(other)).sum(1)).mean())
        return np.mean(losses)

    return value


PAIR = {**SPEC, "pairs": (("a", "b"),)}
CASES = {
    "siam": Case(SPEC, NAMES, formula(SPEC["pairs"], False), tolerance=1e-5),
    "byol": Case(
        {**PAIR, "target": "teacher"},
        ("a", "b"),
        formula(PAIR["pairs"], True),
        taught,
        known=known,
        tolerance=1e-5,
    ),
}


@pytest.mark.parametrize("plan", PLANS[:2], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


def test_absent_rows_enter_nothing():
    Case(PAIR, ("a", "b"), formula(PAIR["pairs"], False), tolerance=1e-5).check_absent()


def test_perfect_prediction_is_0_and_the_metric_says_so():
    _, _, _, metrics = run(SPEC, plan_of("dense", 1, 1), embeddings(NAMES, SIZE, DIM), {})
    np.testing.assert_allclose(metrics["term/loss"], 2 - 2 * metrics["term/cosine"], rtol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="hidden=0"):
        make({**SPEC, "hidden": 0})
    with pytest.raises(TermError, match="needs a teacher"):
        run({**PAIR, "target": "teacher"}, plan_of("dense", 1, 1), embeddings("ab", 4, DIM), {})

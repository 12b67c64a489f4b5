"""Targets by Sinkhorn's algorithm: the plain one on whole matrices, and what it promises."""

import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError
from mmjax.parallel.pairwise import Plan

NAMES = ("a", "a@2", "b", "b@2")
SPEC = {"type": "sinkhorn_swap", "first": NAMES[:2], "second": NAMES[2:], "epsilon": 0.2}


def targets(s, iterations=3):
    """Caron et al. 2020, their listing: columns to 1/N, rows to 1/N; at last rows to 1."""
    q = np.exp(s)
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(0, keepdims=True) * q.shape[1]
        q /= q.sum(1, keepdims=True) * q.shape[0]
    return q * len(q)


def formula(raws, extra, params):
    scale = np.exp(params["temperature/log_scale"])
    unit = {name: normalize(raw) for name, raw in raws.items()}
    losses = []
    for a in (0, 1):
        for b in (0, 1):
            s = scale * unit[NAMES[a]] @ unit[NAMES[2 + b]].T
            other = (unit[NAMES[1 - a]] @ unit[NAMES[3 - b]].T).real / SPEC["epsilon"]
            everything = np.ones(s.shape, bool)
            for scores, about in ((s, other), (s.T, other.T)):
                t = targets(about)
                losses.append((logsumexp(scores, everything, 1) - (t * scores).sum(1)).mean())
    return np.mean(losses)


CASES = {"sinkhorn": Case(SPEC, NAMES, formula)}


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_equals_the_formula(plan):
    CASES["sinkhorn"].check(plan)


def test_absent_rows_enter_nothing():
    CASES["sinkhorn"].check_absent()


def test_one_row_has_one_target():
    CASES["sinkhorn"].check_one_row()


def test_a_plan_of_transport_has_equal_sums():
    unit = [normalize(raw) for raw in embeddings(NAMES, SIZE, 4).values()]
    term = make({**SPEC, "iterations": 40}).terms["term"]
    x, y = {"unit": np.stack(unit[:2], axis=1)}, {"unit": np.stack(unit[2:], axis=1)}
    of_x, of_y = term._scalings(x, y, Plan(schedule="ring", tile=5))
    for k, (a, b) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        s = unit[a] @ unit[2 + b].T / SPEC["epsilon"]
        for name, axis in (("of_rows", 1), ("of_cols", 0)):
            t = np.exp(s + np.asarray(of_x[name])[:, k, None] + np.asarray(of_y[name])[:, k])
            np.testing.assert_allclose(t.sum(axis), 1, rtol=1e-5)
            np.testing.assert_allclose(t.sum(1 - axis), 1, rtol=1e-3)


def test_small_epsilon_neither_overflows_nor_vanishes():
    raws = embeddings(NAMES, SIZE, 4)
    value, grads, _, _ = run({**SPEC, "epsilon": 0.005}, plan_of("ring", 2, 1), raws, {})
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_impossible_options_are_refused():
    with pytest.raises(ConfigError, match="four views"):
        make({**SPEC, "first": ("a", "b")})
    with pytest.raises(ConfigError, match=r"epsilon=0\.0 > 0"):
        make({**SPEC, "epsilon": 0.0})
    spec = {**SPEC, "temperature": "clip"}
    with pytest.raises(TermError, match="the temperature of 'clip'"):
        run(spec, plan_of("dense", 1, 1), embeddings(NAMES, SIZE, 4), {})

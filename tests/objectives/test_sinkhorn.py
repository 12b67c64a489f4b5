"""What Sinkhorn's algorithm promises, and what the term refuses."""

import numpy as np
import pytest
from cases.sinkhorn import NAMES, SPEC
from objective_formulas import normalize
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError
from mmjax.parallel.pairwise import Plan


def test_a_plan_of_transport_has_equal_sums():
    unit = [normalize(raw) for raw in embeddings(NAMES, SIZE, 4).values()]
    term = make({**SPEC, "iterations": 40}).terms["term"]
    x, y = {"unit": np.stack(unit[:2], axis=1)}, {"unit": np.stack(unit[2:], axis=1)}
    of_x, of_y = term.scalings(x, y, Plan(schedule="ring", tile=5))
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
    with pytest.raises(ConfigError, match="epsilon' should be above 0"):
        make({**SPEC, "epsilon": 0.0})
    spec = {**SPEC, "temperature": "clip"}
    with pytest.raises(TermError, match="the temperature of 'clip'"):
        run(spec, plan_of("dense", 1, 1), embeddings(NAMES, SIZE, 4), {})

"""Losses of several views: their relations, and what they refuse."""

import numpy as np
import objective_formulas as formulas
import pytest
from objective_formulas import normalize
from term_harness import close, embeddings, make, plan_of, run

from mmjax.errors import ConfigError


def test_two_views_average_and_pairs_agree_and_mv_infonce_is_above_as_the_concave_log_says():
    views = ("a", "b")
    raws = embeddings(views)
    values = {}
    for name, spec in {
        "pairs": {"type": "nt_xent"},
        "average": {"type": "nt_xent", "across": "average"},
        "mv": {"type": "mv_infonce"},
    }.items():
        values[name] = run({**spec, "views": views}, plan_of("dense", 1, 1), raws, {})
    np.testing.assert_allclose(values["pairs"][0], values["average"][0], rtol=1e-6)
    for view in views:
        assert close(values["average"][1][view], values["pairs"][1][view], 1e-5)
    x, y = (normalize(raw.astype(float)) for raw in raws.values())
    z = np.concatenate([x, y])
    rows = np.exp(formulas.logsumexp(2 * z @ z.T, ~np.eye(len(z), dtype=bool), 1))
    first, second = rows[: len(x)], rows[len(x) :]
    gap = (np.log((first + second) / 2) - (np.log(first) + np.log(second)) / 2).mean()
    assert gap > 0
    np.testing.assert_allclose(values["mv"][0] - values["pairs"][0], gap, rtol=1e-4)


def test_many_views_at_a_low_temperature_do_not_overflow():
    views = tuple("abcdefgh")
    for kind in ("mv_dhel", "mv_infonce"):
        spec = {"type": kind, "views": views, "temperature": 0.005}
        value, grads, _, _ = run(spec, plan_of("gather", 1, 1), embeddings(views, 6), {})
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in grads.values())


@pytest.mark.parametrize("kind", ["mv_infonce", "mv_dhel", "nt_xent"])
@pytest.mark.parametrize("views", [("a",), ("a", "a")])
def test_views_have_to_differ(kind, views):
    with pytest.raises(ConfigError, match="at least 2 different views"):
        make({"type": kind, "views": views})

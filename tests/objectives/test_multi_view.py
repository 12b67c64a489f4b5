"""Losses of several views: their formulas, their relations, and what they refuse."""

import itertools

import numpy as np
import objective_formulas as formulas
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, Case, close, embeddings, make, plan_of, run

from mmjax.errors import ConfigError

VIEWS = ("a", "b", "c")


def scores(raws, scale):
    """s[l][m]: f[B, B] between views l and m."""
    u = [normalize(raw) for raw in raws.values()]
    return [[scale * x @ y.T for y in u] for x in u]


def everything(shape):
    return np.ones(shape, bool)


def mv_infonce(raws, extra, params, cross=False):
    s = scores(raws, np.exp(params["temperature/log_scale"]) if params else 2.0)
    views, size = len(s), len(s[0][0])
    s = np.stack([np.stack(line) for line in s])  # [view, view, B, B]
    same_view = np.eye(views, dtype=bool)[:, :, None, None]
    same_example = np.eye(size, dtype=bool)
    counted = ~same_view | ~same_example
    if cross:
        counted = np.broadcast_to(~same_view, s.shape)
    below = logsumexp(s.swapaxes(1, 2), counted.swapaxes(1, 2), (0, 2, 3))
    other = np.broadcast_to(~same_view & same_example, s.shape)
    above = logsumexp(s.swapaxes(1, 2), other.swapaxes(1, 2), (0, 2, 3))
    return (below - above).mean()


def mv_dhel(raws, extra, params):
    s = scores(raws, 1 / 0.3)
    size = len(s[0][0])
    other = ~np.eye(size, dtype=bool)
    spread = sum(logsumexp(s[m][m], other, 1) for m in range(len(s)))
    pairs = itertools.combinations(range(len(s)), 2)
    aligned = np.stack([np.diag(s[m][n]) for m, n in pairs], axis=1)
    return (spread - logsumexp(aligned, everything(aligned.shape), 1)).mean()


def two_views(x, y, scale):
    """NT-Xent of two matrices of rows, which need not be unit vectors."""
    z = np.concatenate([x, y])
    s = scale * z @ z.T
    partner = np.roll(np.arange(len(z)), len(x))
    return (logsumexp(s, ~np.eye(len(z), dtype=bool), 1) - s[np.arange(len(z)), partner]).mean()


def nt_xent_pairs(raws, extra, params):
    u = [normalize(raw) for raw in raws.values()]
    return np.mean([two_views(x, y, 2.0) for x, y in itertools.combinations(u, 2)])


def nt_xent_average(raws, extra, params):
    u = [normalize(raw) for raw in raws.values()]
    total = sum(u)
    return sum(two_views(x, (total - x) / (len(u) - 1), 2.0) for x in u) / len(u)


CASES = {
    "mv_infonce": Case(
        {"type": "mv_infonce", "views": VIEWS, "learn_temperature": True}, VIEWS, mv_infonce
    ),
    "mv_infonce_cross": Case(
        {"type": "mv_infonce", "views": VIEWS, "cross_view_only": True},
        VIEWS,
        lambda *args: mv_infonce(*args, cross=True),
    ),
    "mv_dhel": Case({"type": "mv_dhel", "views": VIEWS, "temperature": 0.3}, VIEWS, mv_dhel),
    "nt_xent_pairs": Case({"type": "nt_xent", "views": VIEWS}, VIEWS, nt_xent_pairs),
    "nt_xent_average": Case(
        {"type": "nt_xent", "views": VIEWS, "across": "average"}, VIEWS, nt_xent_average
    ),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


@pytest.mark.parametrize("name", ["mv_dhel", "nt_xent_pairs"])
def test_one_row_has_no_negatives(name):
    CASES[name].check_one_row()


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

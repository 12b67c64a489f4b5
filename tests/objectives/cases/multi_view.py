"""Losses of several views at once."""

import itertools

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, Case

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
        {"type": "nt_xent", "views": VIEWS, "across": "average"},
        VIEWS,
        nt_xent_average,
        one_row=FORMULA,
    ),
}

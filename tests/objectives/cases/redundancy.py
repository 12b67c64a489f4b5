"""Terms of covariances, without negatives."""

import numpy as np
from term_harness import Case

PAIR = ("a", "b")


def barlow(raws, extra, params):
    a, b = (
        (raw - raw.mean(0)) / np.sqrt(((raw - raw.mean(0)) ** 2).mean(0) + 1e-5)
        for raw in raws.values()
    )
    c = a.T @ b / len(a)
    off = ~np.eye(len(c), dtype=bool)
    return ((1 - np.diag(c)) ** 2).sum() + 0.0051 * (c[off] ** 2).sum()


def vicreg(raws, extra, params):
    loss = 25 * ((raws["a"] - raws["b"]) ** 2).mean()
    for raw in raws.values():
        centred = raw - raw.mean(0)
        cov = centred.T @ centred / (len(raw) - 1)
        gap = 1 - np.sqrt(np.diag(cov) + 1e-4)
        loss = loss + 25 * np.where(gap.real > 0, gap, 0).mean() / 2
        loss = loss + (cov[~np.eye(len(cov), dtype=bool)] ** 2).sum() / len(cov)
    return loss


def covariance(fixed):
    """Where lengths are constants their values are, and what is derived has them so."""

    def formula(raws, extra, params):
        sides = []
        for raw in raws.values():
            x = raw - raw.mean(0)
            length = np.sqrt((x**2).sum(1, keepdims=True))
            sides.append(x / (length.real if fixed else length))
        c = sides[0].T @ sides[1]
        return ((c if fixed else c / len(sides[0])) ** 2).mean()

    return formula


ORTHOGONAL = {"type": "cross_covariance", "pairs": (PAIR,)}


CASES = {
    # One row has no variance: correlations of 0, each 1 from what they should be.
    "barlow": Case({"type": "barlow_twins", "pairs": (PAIR,)}, PAIR, barlow, one_row=4.0),
    "cross_covariance": Case(ORTHOGONAL, PAIR, covariance(False), dim={"a": 4, "b": 3}),
    "cross_covariance_sum": Case(
        {**ORTHOGONAL, "through_length": False, "reduction": "sum"}, PAIR, covariance(True)
    ),
    "vicreg": Case({"type": "vicreg", "pairs": (PAIR,)}, PAIR, vicreg, one_row=None),
}

"""The contrast of the tokens of one text; a raw embedding is three tokens of five numbers."""

import numpy as np
from objective_formulas import normalize
from term_harness import FORMULA, Case

from cases.matching import DIMS, outputs, padding, parts

ONE = {"type": "token_margin", "view": "t", "margin": 0.9}


def three(size):
    """Padding; of a single row none."""
    extra = padding(size)
    if size == 1:
        extra["t_mask"][:] = True
    return extra


def formula(raws, extra, params):
    unit = normalize(parts("t", raws["t"])[0])
    hinge = ONE["margin"] - 1 + np.einsum("bid,bjd->bij", unit, unit)
    real = extra["t_mask"]
    pairs = real[:, :, None] & real[:, None, :] & ~np.eye(3, dtype=bool)
    total = np.where(pairs & (hinge.real > 0), hinge, 0).sum((1, 2))
    count = pairs.sum((1, 2))
    return (total / np.maximum(count, 1)).sum() / (count > 0).sum()


CASES = {
    "token_margin": Case(
        ONE, ("t",), formula, three, dim={"t": DIMS["t"]}, outputs=outputs, one_row=FORMULA
    )
}

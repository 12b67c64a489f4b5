"""Hinge losses: over all wrong partners, and the hardest one."""

import numpy as np
from objective_formulas import normalize
from term_harness import Case

NAMES = ("a", "b")
SPEC = {"type": "hinge", "pairs": (NAMES,), "margin": 0.3}


def positive(x):
    return np.where(x.real > 0, x, 0)


def every(weights, by_row=False):
    def formula(raws, extra, params):
        x, y = (normalize(raws[name]) for name in NAMES)
        s, size = x @ y.T, len(x)
        loss = 0
        for i in range(size):
            for j in range(size):
                if i != j:
                    loss = loss + weights[0] * positive(0.3 + s[i, j] - s[i, i])
                    loss = loss + weights[1] * positive(0.3 + s[j, i] - s[i, i])
        return loss / (size if by_row else size * (size - 1))

    return formula


def worst(raws, extra, params):
    x, y = (normalize(raws[name]) for name in NAMES)
    s = x @ y.T
    own, number, loss = np.diag(s), np.arange(len(s)), 0
    for scores in (s, s.T):
        place = np.where(np.eye(len(s), dtype=bool), -2, scores.real).argmax(1)
        loss = loss + positive(0.3 + scores[number, place] - own).mean()
    return loss


CASES = {
    "hinge": Case(SPEC, NAMES, every((1, 1)), quick_memory=True),
    "hinge_one_way": Case(
        {**SPEC, "direction_weights": (1.0, 0.0), "reduction": "rows"}, NAMES, every((1, 0), True)
    ),
    "hinge_hardest": Case({**SPEC, "negatives": "hardest"}, NAMES, worst),
}

"""InfoNCE with a temperature of its own for each example."""

import numpy as np
from objective_formulas import normalize
from term_harness import Case

NAMES = ("a", "b", "g")
SPEC = {"type": "adaptive_info_nce", "pairs": (("a", "b"),), "guide": "g"}


def formula(slope=5.0, low=0.03, high=0.2, sharpness=20.0, same_side=False):
    def value(raws, extra, params):
        x, y = (normalize(raws[name]) for name in ("a", "b"))
        h, size = normalize(raws["g"].real), len(x)  # the guide has no gradient
        r = np.zeros(size)
        for i in range(size):
            terms = [np.exp(sharpness * h[i] @ h[j]) for j in range(size) if j != i]
            r[i] = np.log(np.mean(terms)) / sharpness if terms else 0
        tau = low + (high - low) / (1 + np.exp(-slope * (r - r.mean())))
        loss = 0
        for i in range(size):
            for one, other in ((x, y), (y, x)):
                total = np.exp(other @ one[i] / tau[i]).sum()
                if same_side:
                    alike = np.exp(one @ one[i] / tau[i])
                    total = total + alike.sum() - alike[i]
                loss = loss + np.log(total) - one[i] @ other[i] / tau[i]
        return loss / (2 * size)

    return value


CASES = {
    "adaptive": Case(SPEC, NAMES, formula(), quick_memory=True),
    "adaptive_same_side": Case(
        {**SPEC, "same_side": True, "slope": -3.0, "low": 0.1, "high": 0.5, "sharpness": 4.0},
        NAMES,
        formula(-3.0, 0.1, 0.5, 4.0, True),
    ),
}

"""References that are drawn of a prior."""

import jax
import numpy as np
from term_harness import FORMULA, PLANS, Case, term_key

PAIR = ("a", "b")


def reference(size, dim=4):
    return {"z": np.asarray(jax.random.normal(term_key(), (size, dim)))}


def uniform_references(size, dim=4):
    keys = [jax.random.fold_in(term_key(), k) for k in (0, 1)]
    draws = [jax.random.uniform(key, (size, dim)) for key in keys]
    return {"z0": np.asarray(draws[0]), "z1": np.asarray(draws[1])}


def rafa(raws, extra, params):
    return sum(((raws[name] - extra["z"]) ** 2).mean() for name in PAIR)


def rafa_unshared(raws, extra, params):
    return sum(
        0.5 * ((raws[name] - extra[f"z{k}"]) ** 2).sum(1).mean() for k, name in enumerate(PAIR)
    )


CASES = {
    "rafa": Case({"type": "rafa", "modalities": PAIR}, PAIR, rafa, reference, one_row=FORMULA),
    "rafa_unshared": Case(
        {
            "type": "rafa",
            "modalities": PAIR,
            "prior": "uniform",
            "shared": False,
            "reduction": "half_sum",
        },
        PAIR,
        rafa_unshared,
        uniform_references,
        plans=PLANS[1:2],
        one_row=FORMULA,
    ),
}

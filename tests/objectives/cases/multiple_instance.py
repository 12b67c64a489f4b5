"""MIL-NCE of a view and a bag of texts."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

NAMES = ("a", "b", "b@2", "c")
SPEC = {"type": "mil_nce", "view": "a", "bag": NAMES[1:]}


def mil_nce(view, bags, scale=1.0, there=None):
    """Loops over the examples; `there` bool[B, K] says which texts a row has."""
    there = np.ones((len(view), len(bags)), bool) if there is None else there
    s = scale * np.stack([view @ bag.T for bag in bags], axis=2)  # [i, j, k]
    losses = []
    for i in range(len(view)):
        denominator = np.concatenate([s[i], s[:, i]])
        counted = np.concatenate([there, np.repeat(there[i : i + 1], len(view), axis=0)])
        losses.append(logsumexp(denominator, counted) - logsumexp(s[i, i], there[i]))
    return np.mean(losses)


def raw(raws, extra, params):
    view, *bags = raws.values()
    return mil_nce(view, bags)


def unit(raws, extra, params):
    view, *bags = map(normalize, raws.values())
    return mil_nce(view, bags, np.exp(params["temperature/log_scale"]))


def chance(metrics, extra):
    np.testing.assert_allclose(metrics["term/chance"], np.log(2 * len(extra["id"])), rtol=1e-6)


WITHOUT = dict.fromkeys(
    ("absent", "partners"), "a row keeps the texts that it has; see test_multiple_instance.py"
)
CASES = {
    "mil_nce": Case(
        SPEC,
        NAMES,
        raw,
        one_row=float(np.log(2)),
        metrics=chance,
        without=WITHOUT,
        microbatch_tolerance=2e-6,  # raw products, without a temperature, are large
    ),
    "mil_nce_unit": Case(
        {**SPEC, "layer": "unit", "temperature": 0.3, "learn_temperature": True},
        NAMES,
        unit,
        one_row=float(np.log(2)),
        without=WITHOUT,
    ),
    "mil_nce_pair": Case({**SPEC, "bag": ("b", "b@2")}, NAMES[:3], raw, one_row=float(np.log(2))),
}

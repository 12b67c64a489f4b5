"""Prediction of assignments to prototypes: Sinkhorn's algorithm on whole matrices."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, Case

from cases.gallery import ENTRIES, FILLED, entries, galleries

PAIR = ("a", "b")
SPEC = {"type": "prototype_assignment", "pair": PAIR, "gallery": "classes", "epsilon": 0.3}
WEIGHTS = np.where(np.arange(ENTRIES) < FILLED, np.arange(ENTRIES) % 5, 0).astype(np.float32)


def known(extra):
    """The gallery of `gallery_nce`, of which some entries weigh nothing."""
    found = galleries(entries())["galleries"]
    return {"galleries": {"classes": found["classes"]._replace(weight=WEIGHTS)}}


def formula(marginal, iterations):
    def loss(raws, extra, params):
        w = normalize(entries().astype(float)[:FILLED])
        c = WEIGHTS[:FILLED].astype(float) if marginal == "weights" else np.ones(FILLED)
        scale = np.exp(params["temperature/log_scale"]) if params else 10.0
        scores = [normalize(raw) @ w.T for raw in raws.values()]
        total = 0
        for own, other in (scores, scores[::-1]):
            q = np.exp(other.real / SPEC["epsilon"]) * c
            for _ in range(iterations):
                q = q / q.sum(1, keepdims=True)
                q = q * c / np.where(c > 0, q.sum(0), 1)
            q = q / q.sum(1, keepdims=True)
            everything = np.ones(own.shape, bool)
            total = (
                total + (logsumexp(scale * own, everything, 1) - (q * scale * own).sum(1)).mean()
            )
        return total / 2

    return loss


CASES = {
    "prototypes": Case(SPEC, PAIR, formula("uniform", 3), known=known, one_row=FORMULA),
    "prototypes_weighted": Case(
        {**SPEC, "marginal": "weights", "iterations": 2, "learn_temperature": True},
        PAIR,
        formula("weights", 2),
        known=known,
        one_row=FORMULA,
    ),
    "prototypes_prior": Case(
        {**SPEC, "marginal": "weights", "iterations": 0},
        PAIR,
        formula("weights", 0),
        known=known,
        one_row=FORMULA,
    ),
}

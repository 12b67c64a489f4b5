"""Bayesian personalized ranking."""

import numpy as np
from objective_formulas import normalize
from term_harness import FORMULA, Case

NAMES = ("a", "b", "c")
SPEC = {"type": "bpr", "query": "a", "positive": "b", "negative": "c"}


def ranked(make):
    def formula(raws, extra, params):
        query, positive, negative = (make(raws[name]) for name in NAMES)
        ahead = (query * positive).sum(1) - (query * negative).sum(1)
        return -np.log(1 / (1 + np.exp(-ahead))).mean()

    return formula


CASES = {
    "bpr": Case(SPEC, NAMES, ranked(lambda x: x), one_row=FORMULA),
    "bpr_unit": Case({**SPEC, "layer": "unit"}, NAMES, ranked(normalize), one_row=FORMULA),
}

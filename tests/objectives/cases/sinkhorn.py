"""Targets by Sinkhorn's algorithm: the plain one on whole matrices."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

NAMES = ("a", "a@2", "b", "b@2")
SPEC = {"type": "sinkhorn_swap", "first": NAMES[:2], "second": NAMES[2:], "epsilon": 0.2}


def targets(s, iterations=3):
    """Caron et al. 2020, their listing: columns to 1/N, rows to 1/N; at last rows to 1."""
    q = np.exp(s)
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(0, keepdims=True) * q.shape[1]
        q /= q.sum(1, keepdims=True) * q.shape[0]
    return q * len(q)


def formula(raws, extra, params):
    scale = np.exp(params["temperature/log_scale"])
    unit = {name: normalize(raw) for name, raw in raws.items()}
    losses = []
    for a in (0, 1):
        for b in (0, 1):
            s = scale * unit[NAMES[a]] @ unit[NAMES[2 + b]].T
            other = (unit[NAMES[1 - a]] @ unit[NAMES[3 - b]].T).real / SPEC["epsilon"]
            everything = np.ones(s.shape, bool)
            for scores, about in ((s, other), (s.T, other.T)):
                t = targets(about)
                losses.append((logsumexp(scores, everything, 1) - (t * scores).sum(1)).mean())
    return np.mean(losses)


CASES = {"sinkhorn": Case(SPEC, NAMES, formula)}

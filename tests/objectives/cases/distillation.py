"""A teacher's opinion of pairs."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, PLANS, Case, embeddings

from mmjax.model.embedding import Embedding, unit_norm

PAIR = ("a", "b")
ALL = np.array(True)


def taught(size, dim=4):
    """A teacher that is right on about half of the rows; one pair is there twice."""
    raws = embeddings(PAIR, size, dim)
    found = {f"teacher/{n}": raws[n] + 0.8 * raws[m] for n, m in (PAIR, PAIR[::-1])}
    if size > 6:
        for raw in found.values():
            raw[5] = raw[2]
    return found


def teacher(extra):
    """The field of the context that the terms read."""
    raws = {name: extra[f"teacher/{name}"].astype(np.float32) for name in PAIR}
    return {"teacher": {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}}


def log_softmax(s, axis):
    return s - np.expand_dims(logsumexp(s, np.broadcast_to(ALL, s.shape), axis), axis)


def hybrid(alpha, temperature, scale, layer):
    """The card's formula: whole matrices of targets and of logarithms."""

    def formula(raws, extra, params):
        make = normalize if layer == "unit" else lambda raw: raw
        s = scale * make(raws["a"]) @ make(raws["b"]).T / temperature
        g = (
            scale
            * make(extra["teacher/a"].astype(float))
            @ make(extra["teacher/b"].astype(float)).T
        )
        total = 0
        for logits, taught in ((s, g / temperature), (s.T, g.T / temperature)):
            q = alpha * np.eye(len(s)) + (1 - alpha) * np.exp(log_softmax(taught, 1).real)
            entropy = np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0).sum(1)
            total = total + (entropy - (q * log_softmax(logits, 1)).sum(1)).mean()
        return temperature**2 / 2 * total

    return formula


def offdiag(screen, reduction):
    def formula(raws, extra, params):
        m = normalize(raws["a"]) @ normalize(raws["b"]).T
        old = (
            normalize(extra["teacher/a"].astype(float))
            @ normalize(extra["teacher/b"].astype(float)).T
        )
        total = 0
        for new, before in ((m, old), (m.T, old.T)):
            p = np.exp(log_softmax(before, 1))
            divergence = (p * (log_softmax(before, 1) - log_softmax(new, 1))).sum(1)
            # Equal scores are equal but for rounding; the first of them is the maximum.
            found = np.round(before, 9).argmax(1)
            keep = (found == np.arange(len(m))) | (not screen)
            total = total + np.where(keep, divergence, 0).sum()
        return 0.5 * total / (len(m) if reduction == "mean" else 1)

    return formula


def distill(**options):
    return {"type": "hybrid_distill", "pairs": (PAIR,), **options}


def kept(**options):
    return {"type": "offdiag_distill", "pairs": (PAIR,), **options}


OPTION = PLANS[1:2]  # options are tried on one plan
TAUGHT = {"known": teacher, "one_row": FORMULA}
# Divergences of nearly flat rows are small differences of cosines, whose rounding is 1e-7.
FLAT = {**TAUGHT, "tolerance": 5e-6}
CASES = {
    "hybrid": Case(distill(), PAIR, hybrid(0.5, 1.0, 1.0, "raw"), taught, **TAUGHT),
    "hybrid_unit": Case(
        distill(alpha=0.3, temperature=2.0, layer="unit", scale=20.0),
        PAIR,
        hybrid(0.3, 2.0, 20.0, "unit"),
        taught,
        plans=OPTION,
        **TAUGHT,
    ),
    "self_distillation": Case(
        distill(alpha=0.0), PAIR, hybrid(0.0, 1.0, 1.0, "raw"), taught, plans=OPTION, **TAUGHT
    ),
    "only_pairs": Case(
        distill(alpha=1.0), PAIR, hybrid(1.0, 1.0, 1.0, "raw"), taught, plans=OPTION, **TAUGHT
    ),
    "offdiag": Case(kept(), PAIR, offdiag(True, "sum"), taught, **FLAT),
    "offdiag_all": Case(
        kept(screen=False, reduction="mean"),
        PAIR,
        offdiag(False, "mean"),
        taught,
        plans=OPTION,
        **FLAT,
    ),
}

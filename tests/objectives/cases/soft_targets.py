"""InfoNCE towards soft targets: of a reference's similarities, or of labels."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

from cases.sup_con import labels

PAIR = ("a", "b")
SOFT = {"type": "soft_info_nce", "pairs": (PAIR,), "temperature": 0.2}
R = (*PAIR, "c")  # `c` is the reference


def project(x, params):
    for i in range(sum(name.startswith("projection/") for name in params)):
        x = np.where(x.real > 0, x, 0) if i else x
        x = x @ params[f"projection/{i}/kernel"]
    return normalize(x)


def soft(targets, sides=("soft", "soft"), parts=(0.5, 0.5), reference="c", stop=True):
    """Card 68: cross-entropy of ONE matrix P of targets, whose rows sum to 1, in both directions.

    `targets` makes P of the cosines of the reference, or of the equality of labels. A direction
    that is not soft has the pair for its target.
    """

    def formula(raws, extra, params):
        x, y = (project(raws[name], params) for name in PAIR)
        s = np.exp(params["temperature/log_scale"]) * x @ y.T
        if reference == "label":
            c = (extra["label"][:, None] == extra["label"][None, :]).astype(float)
        else:
            r = normalize(raws[reference])
            c = (r @ r.T).real if stop else r @ r.T
        soft, exact = targets(c), np.eye(len(s))
        loss = 0
        for logits, side, part in zip((s, s.T), sides, parts, strict=True):
            log_q = logits - logsumexp(logits, np.ones(s.shape, bool), 1)[:, None]
            loss = loss - part * ((soft if side == "soft" else exact) * log_q).sum(1).mean()
        return loss

    return formula


def reverse(raws, extra, params):
    """Card 40: KL(softmax || targets + ε) of labels, in both directions, summed."""
    x, y = (normalize(raws[name]) for name in PAIR)
    s = np.exp(params["temperature/log_scale"]) * x @ y.T
    w = (extra["label"][:, None] == extra["label"][None, :]).astype(float)
    loss = 0
    for logits in (s, s.T):
        log_p = logits - logsumexp(logits, np.ones(s.shape, bool), 1)[:, None]
        log_q = np.log(w / w.sum(1, keepdims=True) + 1e-8)
        loss = loss + (np.exp(log_p) * (log_p - log_q)).sum(1).mean()
    return loss


def softmax(temperature):
    """P = softmax over j of cos / τ', row by row."""

    def targets(c):
        d = c / temperature
        return np.exp(d - logsumexp(d, np.ones(d.shape, bool), 1)[:, None])

    return targets


def shares(weight=lambda c: c):
    """P = each row's shares of weights."""

    def targets(c):
        w = weight(c)
        return w / w.sum(1, keepdims=True)

    return targets


CASES = {
    "dialog2flow": Case(
        {**SOFT, "reference": "c", "reference_temperature": 0.35}, R, soft(softmax(0.35))
    ),
    "projected": Case(
        {**SOFT, "reference": "c", "reference_temperature": 0.35, "projection": (4, 6, 5)},
        R,
        soft(softmax(0.35)),
    ),
    "soft_clip": Case(
        {**SOFT, "reference": "second", "reference_temperature": 0.2, "stop_gradient": False},
        PAIR,
        soft(softmax(0.2), reference="b", stop=False),
    ),
    "cwcl": Case(
        {
            **SOFT,
            "reference": "a",
            "weights": "affine",
            "soft": "rows",
            "direction_weights": (1.0, 0.5),
        },
        PAIR,
        soft(shares(lambda c: 0.5 + 0.5 * c), ("soft", "exact"), (1.0, 0.5), reference="a"),
    ),
    "relu": Case(
        {**SOFT, "reference": "c", "weights": "relu", "soft": "cols"},
        R,
        soft(shares(lambda c: np.maximum(c, 0)), ("exact", "soft")),
    ),
    "reverse": Case(
        {
            **SOFT,
            "reference": "label",
            "weights": "labels",
            "divergence": "reverse",
            "direction_weights": (1.0, 1.0),
        },
        PAIR,
        reverse,
        labels,
    ),
    "labels": Case(
        {**SOFT, "reference": "label", "weights": "labels"},
        PAIR,
        soft(shares(), reference="label"),
        labels,
    ),
}

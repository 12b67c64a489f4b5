"""Supervised contrastive loss: rows of one label are positives."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

PAIR = ("a", "b")
CLASSES = 5


def labels(size):
    return {"label": ((np.arange(size) * 7) % CLASSES).astype(np.int32)}


def sup_con(raws, extra, params):
    z = np.concatenate([normalize(raw) for raw in raws.values()])
    y = np.concatenate([extra["label"]] * len(raws))
    s = z @ z.T / 0.2
    other = ~np.eye(len(z), dtype=bool)
    positive = other & (y[:, None] == y[None, :])
    has = positive.any(1)
    mean = np.where(positive, s, 0).sum(1) / np.maximum(positive.sum(1), 1)
    return (logsumexp(s, other, 1) - mean)[has].mean()


CASES = {
    "sup_con": Case({"type": "sup_con", "views": PAIR, "temperature": 0.2}, PAIR, sup_con, labels),
    "sup_con_one_view": Case(
        {"type": "sup_con", "views": ("a",), "temperature": 0.2}, ("a",), sup_con, labels
    ),
}

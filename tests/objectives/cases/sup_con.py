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


def trees(size):
    """Two kinds of sets, some of them empty."""
    rng = np.random.default_rng(3)
    fields = {"nodes": rng.random((size, 6)) < 0.4, "paths": rng.random((size, 9)) < 0.15}
    fields["nodes"][1::5] = False
    return {name: each.astype(np.float32) for name, each in fields.items()}


def jaccard(sets):
    """Jaccard index of every two sets, one at a time."""
    index = np.zeros((len(sets), len(sets)))
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            either = np.logical_or(a, b).sum()
            index[i, j] = np.logical_and(a, b).sum() / either if either else 0
    return index


def soft_sup_con(raws, extra, params):
    z = np.concatenate([normalize(raw) for raw in raws.values()])
    f = (jaccard(extra["nodes"]) + jaccard(extra["paths"])) / 2
    np.fill_diagonal(f, 1)
    f = np.tile(f, (len(raws), len(raws)))
    np.fill_diagonal(f, 0)
    s, other, has = z @ z.T / 0.2, ~np.eye(len(z), dtype=bool), f.sum(1) > 0
    mean = (f * s).sum(1)[has] / f.sum(1)[has]
    return (logsumexp(s, other, 1)[has] - mean).mean()


SETS = {"type": "sup_con", "sets": ("nodes", "paths"), "temperature": 0.2}
CASES = {
    "sup_con_sets": Case({**SETS, "views": PAIR}, PAIR, soft_sup_con, trees),
    "sup_con_sets_one_view": Case({**SETS, "views": ("a",)}, ("a",), soft_sup_con, trees),
    "sup_con": Case({"type": "sup_con", "views": PAIR, "temperature": 0.2}, PAIR, sup_con, labels),
    "sup_con_one_view": Case(
        {"type": "sup_con", "views": ("a",), "temperature": 0.2}, ("a",), sup_con, labels
    ),
}

"""Cross-entropy over a gallery."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, Case, embeddings

from mmjax.model.embedding import Embedding, Gallery, unit_norm

ENTRIES, FILLED = 16, 13  # of which the last are none
NUMBERS = np.r_[np.arange(FILLED) * 3 % 17, [-1] * (ENTRIES - FILLED)].astype(np.int32)
GALLERY = {"type": "gallery_nce", "query": "a", "gallery": "classes"}


def entries():
    return embeddings(("w",), ENTRIES, 4, seed=5)["w"]


def galleries(raw):
    """The field of the context that the term reads."""
    valid = np.arange(ENTRIES) < FILLED
    return {"galleries": {"classes": Gallery(Embedding(raw, unit_norm(raw)), NUMBERS, valid)}}


def known(extra):
    return galleries(entries())


def labels(size):
    """The ids of entries, some of them several times, and of some rows of none."""
    return {"label": np.where(np.arange(size) % 7 == 6, 20, NUMBERS[np.arange(size) % 5])}


def several(size):
    """Several right entries, among columns 0 to 16, of which some are no entry's; or none."""
    rng = np.random.default_rng(3)
    chosen = (rng.random((size, 17)) < 0.2).astype(np.float32)
    chosen[3::5] = 0
    return {"label": chosen}


def listed(size):
    """As many right entries as there are, by their ids, one twice; -1, and ids of none, between."""
    rng = np.random.default_rng(4)
    chosen = np.where(rng.random((size, 6)) < 0.6, rng.integers(0, 17, (size, 6)), -1)
    chosen[3::5] = -1
    chosen[0] = NUMBERS[2]
    return {"label": chosen.astype(np.int32)}


def right(label):
    """bool[B, FILLED], of labels in any of the three forms."""
    numbers = NUMBERS[:FILLED]
    if label.ndim == 1:
        return label[:, None] == numbers
    if label.dtype.kind == "i":
        return np.array([np.isin(numbers, own) for own in label])
    return label[:, numbers] > 0


def cross_entropy(raws, extra, params, w=None):
    """By whole matrices: -Σ_c p_ic log softmax_c, over the rows that have a right entry."""
    w = entries().astype(float) if w is None else w
    s = normalize(raws["a"]) @ normalize(w[:FILLED]).T
    s = s * np.exp(params["temperature/log_scale"]) if params else s * 10.0
    return mean_entropy(s, right(extra["label"]))


def products(raws, extra, params):
    return mean_entropy(raws["a"] @ entries()[:FILLED].astype(float).T, right(extra["label"]))


def mean_entropy(s, p):
    kept = p.any(1)
    log_p = s - logsumexp(s, np.ones(s.shape, bool), 1)[:, None]
    return -(np.where(p, log_p, 0).sum(1) / np.maximum(p.sum(1), 1))[kept].sum() / kept.sum()


def outside(metrics, extra):
    has = right(extra["label"]).any(1)
    np.testing.assert_allclose(metrics["term/outside"], 1 - has.mean(), rtol=1e-6)
    assert not has.all()


CASES = {
    "gallery_nce": Case(
        {**GALLERY, "temperature": 0.1},
        ("a",),
        cross_entropy,
        labels,
        known=known,
        metrics=outside,
        one_row=FORMULA,
    ),
    "gallery_nce_several": Case(
        {**GALLERY, "temperature": 0.2, "learn_temperature": True},
        ("a",),
        cross_entropy,
        several,
        known=known,
        metrics=outside,
        one_row=FORMULA,
    ),
    "gallery_nce_listed": Case(
        {**GALLERY, "layer": "raw", "temperature": 1.0},
        ("a",),
        products,
        listed,
        known=known,
        metrics=outside,
        one_row=FORMULA,
    ),
}

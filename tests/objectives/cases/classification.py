"""Classification of the embeddings of some modalities."""

import numpy as np
from objective_formulas import logsumexp
from term_harness import FORMULA, Case, vectors

from mmjax.model.embedding import Hidden

NAMES, CLASSES = ("a", "b"), 5
SPEC = {"type": "classification", "modalities": NAMES, "classes": CLASSES, "dim": 4}


def labels(size):
    return {"label": (np.arange(size) * 7 % CLASSES).astype(np.int32)}


def cross_entropy(raws, extra, params):
    x = np.concatenate([raws[name] for name in raws], axis=1)
    layers = sorted({path.rpartition("/")[0] for path in params})
    for k, layer in enumerate(layers):
        x = np.where(x.real > 0, x, 0) if k else x
        x = x @ params[f"{layer}/kernel"] + params[f"{layer}/bias"]
    normalizer = logsumexp(x, np.ones(x.shape, bool), 1)
    return (normalizer - x[np.arange(len(x)), extra["label"]]).mean()


def each(raws, extra, params):
    return sum(cross_entropy({name: raws[name]}, extra, params) for name in NAMES) / len(NAMES)


def turns(size):
    return {"turn": (np.arange(size) * 3 % 4).astype(np.int32)}


def turned(raws, batch):
    """Embeddings of which it is known how the augmentation turned the input."""
    values = np.zeros((len(batch["turn"]), 1, 1), np.float32)
    hidden = Hidden(values, np.zeros((len(batch["turn"]), 1), bool), batch["turn"])
    return {name: e._replace(targets=hidden) for name, e in vectors(raws, batch).items()}


def of_turns(raws, extra, params):
    return cross_entropy(raws, {"label": extra["turn"]}, params)


TURN = {**SPEC, "hidden": (), "modalities": ("a",), "label": None, "classes": 4}
CASES = {
    "turn": Case(TURN, ("a",), of_turns, turns, outputs=turned, one_row=FORMULA),
    "each": Case({**SPEC, "hidden": (), "fuse": "each"}, NAMES, each, labels, one_row=FORMULA),
    "fused": Case({**SPEC, "hidden": (6, 3)}, NAMES, cross_entropy, labels, one_row=FORMULA),
    "linear": Case(
        {**SPEC, "hidden": (), "modalities": ("a",)}, ("a",), cross_entropy, labels, one_row=FORMULA
    ),
}

"""Regression of hidden patches from tokens, and of a target from an embedding."""

import numpy as np
from term_harness import FORMULA, PLANS, Case

from cases.matching import gelu, linear
from mmjax.encoders.base import Encoding
from mmjax.model.embedding import Embedding, Hidden, unit_norm

TOKENS, WIDTH, PATCH = 3, 4, 5
SPEC = {"type": "regression", "view": "a", "inputs": WIDTH, "size": PATCH}


def hidden(size):
    """Patches, of which two of three are hidden; in the first row none."""
    rng = np.random.default_rng(2)
    there = rng.random((size, TOKENS)).argsort(1) < 2
    there[0] = size == 1
    values = rng.normal(size=(size, TOKENS, PATCH)).astype(np.float32)
    return {"values": values, "hidden": there}


def target(size):
    rng = np.random.default_rng(3)
    return {"y": rng.normal(size=(size, 1, PATCH)).astype(np.float32)}


def outputs_after(skip):
    def outputs(raws, batch):
        raw = raws["a"]
        tokens = raw.reshape(len(raw), -1, WIDTH)
        targets = Hidden(batch["values"], batch["hidden"])
        first = tokens[:, 0]
        found = Embedding(first, unit_norm(first), Encoding(first, tokens), targets=targets)
        assert tokens.shape[1] == TOKENS + skip
        return {"a": found}

    return outputs


def error(y, x, loss):
    d = y - x
    if loss == "l1":
        return np.where(d.real > 0, d, -d).mean(-1)
    if loss == "l2":
        return (d * d).mean(-1)
    return 1 - (y * x).sum(-1) / np.sqrt((y * y).sum(-1) * (x * x).sum(-1))


def formula_of(spec):
    def formula(raws, extra, params):
        x = raws["a"]
        if "target" in spec:
            y, asked = extra["y"].reshape(len(x), -1), np.ones(len(x), bool)
        else:
            x = x.reshape(len(x), -1, WIDTH)[:, spec.get("skip", 0) :]
            y, asked = extra["values"], extra["hidden"]
        for k in range(1 + len(spec.get("hidden", ()))):
            x = linear(gelu(x) if k else x, params, f"layers/{k}")
        return error(y.astype(float), x, spec.get("loss", "l1"))[asked].mean()

    return formula


def case(extra=hidden, **options):
    spec = {**SPEC, **options}
    skip = spec.get("skip", 0)
    more = {"dim": WIDTH} if "target" in spec else {"outputs": outputs_after(skip)}
    return Case(
        spec,
        ("a",),
        formula_of(spec),
        extra,
        one_row=FORMULA,
        plans=PLANS[:2],
        **{"dim": (TOKENS + skip) * WIDTH, **more},
    )


CASES = {
    "regression": case(),
    "regression_squares": case(loss="l2", hidden=(6,), skip=1),
    "regression_target": case(target, target="y", loss="cosine", hidden=(6, 4)),
}

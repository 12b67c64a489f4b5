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


def frames(size):
    """A target of every token, of which from one to all are there."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(1, TOKENS + 1, size=size)
    lengths[:2] = TOKENS
    y = rng.normal(size=(size, TOKENS, PATCH)).astype(np.float32)
    return {"y": y, "mask": np.arange(TOKENS)[None] < lengths[:, None]}


def framed(raws, batch):
    """Of `a` tokens, of `g` one vector."""
    tokens = raws["a"].reshape(len(raws["a"]), -1, WIDTH)
    encoding = Encoding(tokens[:, 0], tokens, batch["mask"])
    a = Embedding(tokens[:, 0], unit_norm(tokens[:, 0]), encoding)
    return {"a": a, "g": Embedding(raws["g"], unit_norm(raws["g"]))}


def decoder(spec):
    """Layers over each example's own tokens, one after the other."""

    def formula(raws, extra, params):
        errors, taps = [], spec["kernel"]
        before = taps - 1 if spec.get("causal") else taps // 2
        for a, g, y, there in zip(
            raws["a"], raws["g"], extra["y"].astype(float), extra["mask"], strict=True
        ):
            count = int(there.sum())
            x = [np.concatenate([own, g]) for own in a.reshape(-1, WIDTH)[:count]]
            for k in range(1 + len(spec.get("hidden", ()))):
                kernel, bias = (params[f"layers/{k}/{name}"] for name in ("kernel", "bias"))
                x = [gelu(own) for own in x] if k else x
                x = [
                    bias
                    + sum(
                        x[t + tap - before] @ kernel[tap]
                        for tap in range(taps)
                        if 0 <= t + tap - before < count
                    )
                    for t in range(count)
                ]
            errors += [error(y[t], x[t], spec["loss"]) for t in range(count)]
        return np.mean(errors)

    return formula


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


BESIDE = 2
FRAMES = {
    **SPEC,
    "target": "y",
    "tokens": True,
    "beside": ("g",),
    "inputs": WIDTH + BESIDE,
    "loss": "l2",
    "kernel": 3,
}


def frames_case(**options):
    spec = {**FRAMES, **options}
    return Case(
        spec,
        ("a", "g"),
        decoder(spec),
        frames,
        one_row=FORMULA,
        plans=PLANS[:2],
        dim={"a": TOKENS * WIDTH, "g": BESIDE},
        outputs=framed,
    )


CASES = {
    "regression": case(),
    "regression_squares": case(loss="l2", hidden=(6,), skip=1),
    "regression_target": case(target, target="y", loss="cosine", hidden=(6, 4)),
    "regression_frames": frames_case(hidden=(6,)),
    "regression_causal": frames_case(causal=True, kernel=2),
}

"""Wholes against a teacher's parts."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

from mmjax.encoders.base import Encoding
from mmjax.model.embedding import Embedding, unit_norm

DIM = 4
PAIRS = (("a", "b"), ("b", "a@2"))
SPEC = {
    "type": "local_global_nce",
    "pairs": PAIRS,
    "grids": {"a@2": 2},
    "skip": {"b": 1},
    "temperature": 0.3,
}


def parts(size):
    """Tokens of the teacher: a 4 x 4 grid of `a@2`, and 1 + 5 tokens of `b` with padding."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 6, size=size)  # of the locals; some rows have none
    return {
        "teacher grid": rng.normal(size=(size, 16, DIM)).astype(np.float32),
        "teacher words": rng.normal(size=(size, 6, DIM)).astype(np.float32),
        "teacher mask": np.arange(6)[None, :] <= lengths[:, None],
    }


def known(extra):
    def embedding(tokens, mask):
        raw = tokens[:, 0]
        return Embedding(raw, unit_norm(raw), Encoding(raw, tokens, mask), unit_norm(tokens))

    grid, words = (
        embedding(extra["teacher grid"], None),
        embedding(extra["teacher words"], extra["teacher mask"]),
    )
    return {"teacher": {"a@2": grid, "b": words}}


def formula(raws, extra, params):
    scale = np.exp(params["temperature/log_scale"])
    grid = normalize(extra["teacher grid"].astype(float)).reshape(-1, 2, 2, 2, 2, DIM).mean((2, 4))
    locals_of = {
        "a@2": (grid.reshape(len(grid), 4, DIM), np.ones((len(grid), 4), bool)),
        "b": (normalize(extra["teacher words"].astype(float))[:, 1:], extra["teacher mask"][:, 1:]),
    }
    total = 0
    for whole, part in PAIRS:
        g, (parts, real) = normalize(raws[whole]), locals_of[part]
        size = len(g)
        for i in range(size):
            own = scale * parts[i] @ g[i]
            others = np.array([k != i for k in range(size)])[:, None] & real
            s = scale * np.einsum("kjd,d->kj", parts, g[i])
            if not real[i].any():
                continue
            if others.any():
                lse = logsumexp(s, others)
                both = np.stack([own, np.full(own.shape, lse)], axis=1)
                terms = logsumexp(both, np.ones(both.shape, bool), 1) - own
            else:
                terms = 0 * own
            total = total + (terms * real[i]).sum() / real[i].sum() / size / len(PAIRS)
    return total


def first(raws, extra, params):
    """Of the first pair, which needs both modalities."""
    raws = {"a": raws["a"], "b": np.ones_like(raws["b"])}
    return 2 * (formula(raws, extra, params) - second(raws, extra, params))


def second(raws, extra, params):
    """The part of `formula` of the other pair, in which the first one's is 0."""
    nothing = {**extra, "teacher mask": np.zeros_like(extra["teacher mask"])}
    return formula(raws, nothing, params)


OWN_ROWS = "each pair has rows of its own; `local_global_pair` is tried"
CASES = {
    "local_global": Case(
        SPEC,
        ("a", "b"),
        formula,
        parts,
        known=known,
        without={"absent": OWN_ROWS, "partners": OWN_ROWS},
    ),
    "local_global_pair": Case(
        {**SPEC, "pairs": PAIRS[:1], "grids": None},
        ("a", "b"),
        first,
        parts,
        known=known,
        plans=(("dense", 1, 1),),
    ),
}

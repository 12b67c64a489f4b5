"""Matching with hard negatives, for those that the term draws.

A raw embedding here is tokens, of which the term judges pairs, and behind them a vector, of which
it draws: no gradient comes to that.
"""

import functools

import numpy as np
from objective_formulas import gelu
from term_harness import TILE, Case, embeddings, make, term_key

from mmjax.encoders.base import Encoding
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context
from mmjax.parallel.pairwise import Plan

SIZE, WIDTH, DIM = 16, 4, 3
TOKENS = {"t": (3, 5), "v": (2, 4), "a": (1, 3)}
# And of sequences that have those of `t` at their end.
EVERY = {**TOKENS, "s": (6, 5), "u": (4, 5)}
DIMS, ALL_DIMS = (
    {name: count * width + DIM for name, (count, width) in own.items()} for own in (TOKENS, EVERY)
)
ONE = {
    "type": "matching",
    "text": "t",
    "conditions": ("v",),
    "inputs": {"t": 5, "v": 4},
    "width": WIDTH,
    "heads": 2,
    "temperature": 0.2,
}
TWO = {
    **ONE,
    "conditions": ("v", "a"),
    "inputs": {"t": 5, "v": 4, "a": 3},
    "score": "volume",
    "read": "mean",
    "hidden": True,
    "floor": 1e-2,
}


def norm(x, params, path):
    centred = x - x.mean(-1, keepdims=True)
    x = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return x * params[f"{path}/scale"] + params[f"{path}/bias"]


def linear(x, params, path):
    return x @ params[f"{path}/kernel"] + params[f"{path}/bias"]


def attend(x, y, mask, params, path):
    def split(z):
        return z.reshape(*z.shape[:-1], 2, -1)

    q = split(linear(x, params, f"{path}/query"))
    k, v = (split(linear(y, params, f"{path}/{name}")) for name in ("key", "value"))
    s = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(q.shape[-1])
    s = np.where(mask[:, None] if mask.ndim == 3 else mask[:, None, None, :], s, -1e30)
    p = np.exp(s - s.real.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    z = np.einsum("bnts,bsnh->btnh", p, v)
    return linear(z.reshape(x.shape), params, f"{path}/out")


def fused(x, real, y, params):
    """The fusion encoder of one block, with or without a condition `y`, of which all is there."""
    block = "fusion/blocks/0"
    z = norm(x, params, f"{block}/self_norm")
    x = x + attend(z, z, real, params, f"{block}/self")
    if y is not None:
        there = np.ones(y.shape[:2], bool)
        x = x + attend(norm(x, params, f"{block}/cross_norm"), y, there, params, f"{block}/cross")
    z = linear(norm(x, params, f"{block}/mlp_norm"), params, f"{block}/mlp/up")
    x = x + linear(gelu(z), params, f"{block}/mlp/down")
    return norm(x, params, "fusion/final_norm")


def formula(spec, tokens, mask, params, wrong_condition, wrong_text):
    size = len(mask)
    text = linear(tokens["t"], params, "project/t")
    parts = [
        linear(tokens[n] if n == "v" else tokens[n][:, None], params, f"project/{n}")
        for n in spec["conditions"]
    ]
    condition = np.concatenate(parts, axis=1)
    order = np.arange(size)
    x = text[np.concatenate([order, order, wrong_text])]
    real = mask[np.concatenate([order, order, wrong_text])]
    y = condition[np.concatenate([order, wrong_condition, order])]
    x = fused(x, real, y, params)
    if spec.get("read") == "mean":
        x = (x * real[..., None]).sum(1) / real.sum(1)[:, None]
    else:
        x = x[:, 0]
    if spec.get("hidden"):
        x = norm(gelu(linear(x, params, "hidden")), params, "hidden_norm")
    logits = linear(x, params, "answer")
    label = np.repeat([1, 0, 0], size)
    top = logits.real.max(1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return (log_sum - logits[np.arange(3 * size), label]).mean()


def parts(name, raw):
    """Tokens and vector of a raw embedding."""
    count, width = EVERY[name]
    return raw[:, : count * width].reshape(-1, count, width), raw[:, count * width :]


def padding(size):
    lengths = np.random.default_rng(0).integers(0, 3, size=(size, 1))
    return {"t_mask": np.arange(3)[None, :] <= lengths, "row": np.arange(size)}


def outputs(raws, batch):
    """Tokens of `t` (with padding) and `v`, one pooled vector of `a`."""
    made = {}
    for name, both in raws.items():
        tokens, raw = parts(name, both)
        encoding = Encoding(tokens[:, 0], tokens, batch["t_mask"] if name == "t" else None)
        made[name] = Embedding(
            raw, unit_norm(raw), Encoding(tokens[:, 0]) if name == "a" else encoding
        )
    return made


def case(spec, **options):
    names = (spec["text"], *spec["conditions"])

    @functools.cache
    def drawn(rows):
        """Of the rows that are there, the places of the wrong condition and the wrong text."""
        there = np.isin(np.arange(SIZE), rows)
        raws, batch = embeddings(names, SIZE, DIMS), {**padding(SIZE), "t_present": there}
        context = Context(plan=Plan(tile=TILE), rng=term_key())
        places = make(spec).terms["term"].negatives(outputs(raws, batch), batch, context)
        places = [np.asarray(each)[there] for each in places]
        assert all((each != np.array(rows)).all() for each in places)
        return [np.searchsorted(rows, each) for each in places]

    def value(raws, extra, params):
        tokens = {name: parts(name, raw)[0] for name, raw in raws.items()}
        if "a" in tokens:
            tokens["a"] = tokens["a"][:, 0]
        wrong = drawn(tuple(extra["row"].tolist()))
        return formula(spec, tokens, extra["t_mask"], params, *wrong)

    return Case(spec, names, value, padding, dim=DIMS, outputs=outputs, one_row=None, **options)


CASES = {"matching": case(ONE), "matching_volume": case(TWO)}

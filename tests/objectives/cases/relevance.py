"""The relevance of pairs: by labels, and over the nearest answers of the batch."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, Case

PAIR = ("a", "b")
SPEC = {
    "type": "relevance",
    "pair": PAIR,
    "inputs": {"a": 4, "b": 4},
    "layer": "unit",
    "hidden": (5,),
    "detach": False,
}
LABELLED = {**SPEC, "label": "relevant", "read": "products"}
LISTWISE = {**SPEC, "candidates": 4}
POINTWISE = {
    **SPEC,
    "candidates": 5,
    "loss": "pointwise",
    "read": "cosines",
    "parts": {"a": 2, "b": 2},
}


def mlp(z, params):
    for number in range(2):
        z = np.where(z.real > 0, z, 0) if number else z
        z = z @ params[f"layers/{number}/kernel"] + params[f"layers/{number}/bias"]
    return z[..., 0]


def softplus(s):
    top = np.where(s.real > 0, s, 0)
    return top + np.log(np.exp(-top) + np.exp(s - top))


def read(x, y, kind):
    if kind == "cosines":
        a, b = (normalize(z.reshape(len(z), 2, 2)) for z in (x, y))
        return 10 * np.einsum("pid,pjd->pij", a, b).reshape(len(x), 4)
    if kind == "products":
        difference = np.where((x - y).real > 0, x - y, y - x)
        return np.concatenate([x, y, x * y, difference], axis=1)
    return np.concatenate([x, y], axis=1)


def labelled(raws, extra, params):
    x, y = (normalize(raws[name]) for name in PAIR)
    score = mlp(read(x, y, "products"), params)
    return (softplus(score) - extra["relevant"] * score).mean()


def of_candidates(spec):
    """The loss by loops over queries and their candidates."""

    def formula(raws, extra, params):
        x, y = (normalize(raws[name]) for name in PAIR)
        ids, losses = extra["id"], []
        for i in range(len(x)):
            allowed = [j for j in range(len(y)) if j == i or ids[j] != ids[i]]
            near = sorted(allowed, key=lambda j: -(x[i] @ y[j]).real)[: spec["candidates"]]
            if i not in near:
                continue
            queries = np.repeat(x[i : i + 1], len(near), axis=0)
            scores = mlp(read(queries, y[near], spec.get("read", "both")), params)
            own = np.array(near) == i
            if spec.get("loss") == "pointwise":
                losses += list(softplus(scores) - own * scores)
            else:
                losses.append(logsumexp(scores, np.ones(len(near), bool)) - scores[own][0])
        return sum(losses) / len(losses)

    return formula


def ids(size):
    """Two rows of some ids."""
    return {"id": np.arange(size) // 2 + size * (np.arange(size) % 4 == 1)}


def found_and_not(metrics, extra):
    """Some queries have their answer among the candidates, and not all."""
    if len(extra["id"]) > 4:
        assert 0 < metrics["term/found"] < 1


CASES = {
    "relevance": Case(
        LABELLED, PAIR, labelled, lambda size: {"relevant": np.arange(size) % 3 % 2},
        one_row=FORMULA, microbatch_tolerance=2e-6,  # of sums through an MLP of its own
    ),
    "relevance listwise": Case(
        LISTWISE, PAIR, of_candidates(LISTWISE), ids, metrics=found_and_not
    ),
    "relevance pointwise": Case(
        POINTWISE, PAIR, of_candidates(POINTWISE), ids, one_row=FORMULA, tolerance=5e-6
    ),
}  # fmt: skip

"""Pairs of rows or classes, seen through a gate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from objective_formulas import normalize
from term_harness import SIZE, Case, make, term_key

from cases.sup_con import CLASSES, labels

PAIR = ("a", "b")
GATE = {
    "type": "gated_nce",
    "pair": PAIR,
    "classes": CLASSES,
    "dim": 4,
    "width": 8,
    "hidden": 6,
    "temperature": 0.3,
}


@functools.cache
def term_of(items):
    return make(dict(items)).terms["term"]


def gate_of(params, y, t):
    x = (params["gate/table"][y] + params["gate/table"][t]) / 2
    for i, layer in enumerate(("first", "second")):
        x = np.where(x.real > 0, x, 0)
        if f"gate/norms/{i}/scale" in params:
            x = x - x.mean(1, keepdims=True)
            x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
            x = x * params[f"gate/norms/{i}/scale"] + params[f"gate/norms/{i}/bias"]
        x = x @ params[f"gate/{layer}/kernel"] + params[f"gate/{layer}/bias"]
    return 1 / (1 + np.exp(-x))


def partners(spec, **options):
    """Gated pairs of rows: cross-entropy of the partner's place, both views being anchors."""

    def formula(raws, extra, params):
        term = term_of(tuple(spec.items()))
        valid = np.isin(np.arange(SIZE), extra["row"])
        place = np.cumsum(valid) - 1
        loss = 0
        for k, (a, b) in enumerate((("a", "b"), ("b", "a"))):
            key = jax.random.fold_in(term_key(), k) if k else term_key()
            drawn = term.partners(key, SIZE, None if valid.all() else jnp.asarray(valid))
            partner = place[np.asarray(drawn)[valid]]
            z, keys = normalize(raws[a]), normalize(raws[b])
            gate = np.ones(z.shape)
            if params:
                gate = gate_of(params, extra["label"], extra["label"][partner])
            for i in range(len(z)):
                s = normalize(gate[i] * keys) @ normalize(gate[i : i + 1] * z[i])[0] / 0.3
                loss = loss + np.log(np.exp(s).sum()) - s[partner[i]]
        loss = loss / (2 * len(extra["row"]))
        if spec.get("gate_entropy"):
            g = gate_of(params, np.arange(CLASSES), np.arange(CLASSES))
            entropy = -(g * np.log(g) + (1 - g) * np.log(1 - g)).mean()
            loss = loss + spec["gate_entropy"] * entropy
        return loss

    return Case(
        spec, PAIR, formula, lambda size: {**labels(size), "row": np.arange(size)}, **options
    )


def gated(spec, renorm=True, **options):
    def formula(raws, extra, params):
        y, t = extra["label"], extra["second"]
        z, keys = normalize(raws["a"]), normalize(raws["b"])
        gate = gate_of(params, y, t) if params else np.ones(z.shape)
        if renorm:
            own = normalize(gate * z)
            s = np.stack([normalize(gate[i] * keys) @ own[i] for i in range(len(z))]) / 0.3
        else:
            s = (gate**2 * z) @ keys.T / 0.3
        positive = t[:, None] == y[None, :]
        negative = ~positive & (y[:, None] != y[None, :])
        total, count = 0, 0
        for i in np.flatnonzero(negative.any(1)):
            below = np.exp(s[i][negative[i]]).sum()
            for p in np.flatnonzero(positive[i]):
                total = total + np.log(np.exp(s[i, p]) + below) - s[i, p]
                count += 1
        return total / count

    def extra(size):
        """t of all rows, before any row is left out."""
        term = term_of(tuple(spec.items()))
        second = term.second_labels(term_key(), labels(max(size, SIZE))["label"])
        return {**labels(size), "second": np.asarray(second)[:size]}

    return Case(spec, PAIR, formula, extra, **options)


CASES = {
    # The norms of a gate magnify rounding beyond what microbatches are held to.
    "gated_distinct": gated(
        {**GATE, "pairing": "distinct"}, microbatches={"norm": False}, quick_memory=True
    ),
    "gated_inner": gated({**GATE, "pairing": "arbitrary", "norm": False, "renorm": False}, False),
    "ungated_identical": gated({**GATE, "pairing": "identical", "gated": False}),
    "gated_rows": partners(
        {**GATE, "negatives": "all", "anchors": "both", "norm": False, "gate_entropy": 0.5},
        one_row=None,
    ),
    "instances": partners(
        {**GATE, "negatives": "all", "anchors": "both", "pairing": "identical", "gated": False}
    ),
}

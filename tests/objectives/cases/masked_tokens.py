"""Masked language modelling; raw embeddings are tokens and behind them a vector, as in matching."""

import numpy as np
from objective_formulas import gelu
from term_harness import FORMULA, Case

from cases.matching import DIMS, fused, linear, norm, padding, parts
from cases.matching import outputs as of_matching

VOCABULARY = 7
ONE = {
    "type": "masked_tokens",
    "view": "t",
    "conditions": ("v", "a"),
    "inputs": {"t": 5, "v": 4, "a": 3},
    "vocab_size": VOCABULARY,
    "width": 4,
    "heads": 2,
}
ALONE = {**ONE, "conditions": (), "inputs": {"t": 5}}
SHALLOW = {**ALONE, "depth": 0, "reduction": "rows"}


def hidden(size):
    """Padding, and targets of some tokens that are there; of some rows none."""
    extra, rng = padding(size), np.random.default_rng(1)
    ids = rng.integers(0, VOCABULARY, size=(size, 3)).astype(np.int32)
    asked = extra["t_mask"] & (rng.random((size, 3)) < 0.7)
    asked[0] = [True, False, False]
    return {**extra, "targets": np.where(asked, ids, -1)}


def outputs(raws, batch):
    found = of_matching(raws, batch)
    return found | {"t": found["t"]._replace(targets=batch["targets"])}


def case(spec):
    names = ("t", *spec["conditions"])

    def formula(raws, extra, params):
        tokens = {name: parts(name, raw)[0] for name, raw in raws.items()}
        projected = {name: linear(tokens[name], params, f"project/{name}") for name in names}
        x = projected["t"]
        if spec.get("depth", 1):
            condition = [projected[name] for name in spec["conditions"]]
            condition = np.concatenate(condition, axis=1) if condition else None
            x = fused(x, extra["t_mask"], condition, params)
        x = norm(gelu(linear(x, params, "hidden")), params, "norm")
        logits = linear(x, params, "answer")
        top = logits.real.max(-1, keepdims=True)
        log_sum = np.log(np.exp(logits - top).sum(-1)) + top[..., 0]
        ids = extra["targets"]
        own = np.take_along_axis(logits, np.maximum(ids, 0)[..., None], axis=-1)[..., 0]
        loss, asked = log_sum - own, ids >= 0
        if spec.get("reduction") == "rows":
            by_row = (loss * asked).sum(1) / np.maximum(asked.sum(1), 1)
            return by_row.sum() / asked.any(1).sum()
        return (loss * asked).sum() / asked.sum()

    dims = {name: DIMS[name] for name in names}
    # Its norms magnify rounding.
    tolerance = {"tolerance": 4e-6, "microbatch_tolerance": 1e-5}
    return Case(
        spec, names, formula, hidden, dim=dims, outputs=outputs, one_row=FORMULA, **tolerance
    )


CASES = {
    "masked_tokens": case(ONE),
    "masked_tokens_alone": case(ALONE),
    "masked_tokens_of_rows": case(SHALLOW),
}

"""Next-token prediction; raw embeddings are tokens and behind them a vector, as in matching."""

import jax
import numpy as np
from objective_formulas import normalize
from term_harness import FORMULA, Case, term_key

from cases.matching import ALL_DIMS, DIM, fused, linear, outputs, padding, parts

VOCABULARY, LENGTH = 7, 3
ONE = {
    "type": "captioning",
    "text": "t",
    "conditions": ("v", "a"),
    "inputs": {"t": 5, "v": 4, "a": 3},
    "vocab_size": VOCABULARY,
    "width": 4,
    "heads": 2,
}
ALONE = {**ONE, "conditions": (), "inputs": {"t": 5}, "depth": 0, "width": None}
DEEPER = {**ALONE, "depth": 1, "width": 4, "reduction": "rows"}
OWN = {**ONE, "lower": "own", "length": 4, "conditions": ("v",), "inputs": {"v": 4}}
WITHIN = {**ALONE, "within": ("s",)}
BOTH = {**ALONE, "within": ("s", "u"), "reduction": "rows"}
NOISY = {
    **OWN,
    "conditions": ("v", "a"),
    "inputs": {"v": DIM, "a": DIM},
    "layer": "unit",
    "noise": 0.3,
    "copies": 2,
}


def ids(size):
    """Texts of one to three ids, and which of their positions are no padding."""
    extra, rng = padding(size), np.random.default_rng(2)
    drawn = rng.integers(4, VOCABULARY, size=(size, LENGTH)).astype(np.int32)
    if size == 1:
        extra["t_mask"][:] = True
    return {**extra, "t": np.where(extra["t_mask"], drawn, 0)}


def noises(spec):
    """Of the copies of every row of each condition, f32[B, copies, D]."""
    for place, _ in enumerate(spec["conditions"]):
        key = jax.random.fold_in(term_key(), place)
        yield lambda size, key=key: np.asarray(
            jax.random.normal(key, (size, spec["copies"], DIM)), np.float64
        )


def cross_entropy(x, ids, asked, spec, params):
    """Of ids i[B, T] by states f[B, T, W]: over all that are asked for, or a row's first."""
    logits = linear(x, params, "answer")
    top = logits.real.max(-1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(-1)) + top[..., 0]
    loss = log_sum - np.take_along_axis(logits, ids[..., None], axis=-1)[..., 0]
    if spec.get("reduction") == "rows":
        by_row = (loss * asked).sum(1) / np.maximum(asked.sum(1), 1)
        return by_row.sum() / asked.any(1).sum()
    return (loss * asked).sum() / asked.sum()


def case(spec, **more):
    names = ("t", *spec["conditions"], *spec.get("within", ()))
    noise = list(noises(spec)) if "noise" in spec else None

    def condition(name, raw, extra, params):
        tokens, vector = parts(name, raw)
        if noise is not None:
            # What is drawn is drawn for a whole batch, of which some rows may be left out.
            size = 1 if len(extra["row"]) == 1 else 16
            drawn = noise[spec["conditions"].index(name)](size)[extra["row"]]
            tokens = normalize(normalize(vector)[:, None] + spec["noise"] * drawn)
        return linear(tokens, params, f"project/{name}")

    def formula(raws, extra, params):
        real = extra["t_mask"]
        if "within" in spec:
            # States of the position before the text and of all of it but its last.
            ends = [parts(name, raws[name])[0][:, -4:-1] for name in spec["within"]]
            return np.mean([cross_entropy(x, extra["t"], real, spec, params) for x in ends])
        if spec.get("lower") == "own":
            x = params["token"][extra["t"]] + params["position"][:LENGTH]
        else:
            x = parts("t", raws["t"])[0]
            x = linear(x, params, "project/t") if spec.get("depth", 1) else x
        if spec.get("depth", 1):
            others = [condition(n, raws[n], extra, params) for n in spec["conditions"]]
            causal = real[:, None, :] & np.tril(np.ones((LENGTH, LENGTH), bool))
            x = fused(x, causal, np.concatenate(others, axis=1) if others else None, params)
        return cross_entropy(x[:, :-1], extra["t"][:, 1:], real[:, 1:], spec, params)

    dims = {name: ALL_DIMS[name] for name in names}
    # Its norms magnify rounding.
    tolerance = {"tolerance": 4e-6, "microbatch_tolerance": 1e-5, **more}
    return Case(spec, names, formula, ids, dim=dims, outputs=outputs, one_row=FORMULA, **tolerance)


CASES = {
    "captioning": case(ONE),
    "captioning_alone": case(ALONE),
    "captioning_deeper": case(DEEPER),
    "captioning_own": case(OWN),
    "captioning_noisy": case(NOISY),
    "captioning_within": case(WITHIN),
    "captioning_within_both": case(
        BOTH, without={"absent": "one that is not there leaves the other one as it is"}
    ),
}

"""Masked slots: a raw embedding of `t` is three tokens and a vector; that of `v` is told."""

import jax.numpy as jnp
import numpy as np
from objective_formulas import gelu
from term_harness import FORMULA, Case

from cases.matching import DIMS, attend, linear, norm, padding, parts
from cases.matching import outputs as of_matching

SLOTS = {"p": (2, 3), "q": (3, 4), "r": (1, 2)}
OWNER = np.repeat([0, 1, 2], [2, 3, 1])
CODES = np.array([3, 4, 2])
PLAIN = {
    "type": "masked_slots",
    "view": "t",
    "slots": SLOTS,
    "inputs": {"t": 5},
    "width": 4,
    "heads": 2,
    "depth": 2,
}
# Raw embeddings of `v` are 11 numbers, of which matching's outputs take the last three.
TOLD = {**PLAIN, "depth": 1, "vector": "v", "decodes": "q", "size": 3, "targets": 4}


def hidden(size, modalities=(0, 1, 2)):
    """Padding, and at most four targets of each row, of some modalities; of some rows none."""
    extra, rng = padding(size), np.random.default_rng(1)
    ids = rng.integers(0, CODES[OWNER], size=(size, 6)).astype(np.int32)
    asked = np.argsort(rng.random((size, 6)), axis=1) < rng.integers(0, 5, size=(size, 1))
    asked &= np.isin(OWNER, modalities)
    asked[0, 2:] = [True, True, False, False]
    return {**extra, "targets": np.where(asked, ids, -1)}


def outputs(raws, batch):
    found = of_matching(raws, batch)
    return found | {"t": found["t"]._replace(targets=jnp.asarray(batch["targets"]))}


def told(params, tokens, mask, depth):
    """Logits of every place, of all modalities."""
    condition = linear(tokens, params, "project/t")
    x = np.broadcast_to(params["query"], (len(tokens), *params["query"].shape))
    for k in range(depth):
        block = f"decoder/blocks/{k}"
        z = norm(x, params, f"{block}/cross_norm")
        x = x + attend(z, condition, mask, params, f"{block}/cross")
        z = linear(norm(x, params, f"{block}/mlp_norm"), params, f"{block}/mlp/up")
        x = x + linear(gelu(z), params, f"{block}/mlp/down")
    return linear(norm(x, params, "decoder/final_norm"), params, "answer")


def case(spec, extra=hidden, **options):
    names = ("t", "v") if "vector" in spec else ("t",)

    def formula(raws, extra, params):
        logits = told(params, parts("t", raws["t"])[0], extra["t_mask"], spec["depth"])
        first = np.cumsum([0, *CODES])
        losses = []
        for m in range(3):
            places = np.flatnonzero(m == OWNER)
            own = logits[:, places, first[m] : first[m + 1]]
            ids = extra["targets"][:, places]
            top = own.real.max(-1, keepdims=True)
            log_sum = np.log(np.exp(own - top).sum(-1)) + top[..., 0]
            right = np.take_along_axis(own, np.maximum(ids, 0)[..., None], axis=-1)[..., 0]
            if (ids >= 0).any():
                losses.append(((log_sum - right) * (ids >= 0)).sum() / (ids >= 0).sum())
        loss = sum(losses) / (3 if spec.get("count_empty") else len(losses))
        if "vector" not in spec:
            return loss
        v = parts("v", raws["v"])[1].real  # no gradient comes to it
        ids = extra["targets"][:, 2:5]
        error = v[..., None] - params["table"][np.arange(3), np.maximum(ids, 0)]
        return loss + (error[..., 0] ** 2 * (ids >= 0)).sum() / (ids >= 0).sum()

    tolerance = {"tolerance": 4e-6, "microbatch_tolerance": 1e-5}
    return Case(
        spec, names, formula, extra, dim={n: DIMS[n] for n in names}, outputs=outputs,
        one_row=FORMULA, **tolerance, **options,
    )  # fmt: skip


def of_two(size):
    """Without targets of the modality `r`."""
    return hidden(size, (0, 1))


CASES = {
    "masked_slots": case(PLAIN),
    "masked_slots_vector": case(TOLD),
    "masked_slots_of_two": case(TOLD, of_two),
    "masked_slots_count_empty": case({**PLAIN, "count_empty": True}, of_two),
}

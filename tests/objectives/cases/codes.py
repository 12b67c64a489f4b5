"""Regularizers of codes, which are squares here, of which some rows have none."""

import numpy as np
from term_harness import FORMULA, Case

from cases.uniformity import NO_PAIRS
from mmjax.model.embedding import Embedding, Quantized, unit_norm

PAIR = ("a", "b")
OWN_ROWS = "each view has rows of its own; the cases of one view are tried"


def squares(raws, batch):
    """Codes, at least 0."""
    return {name: Embedding(raw**2, unit_norm(raw**2)) for name, raw in raws.items()}


def overuse(raws, extra, params):
    total = 0
    for raw in raws.values():
        shares = raw**2 / (raw**2).sum(1, keepdims=True)
        total = total + raw.shape[1] * (shares.mean(0) ** 2).sum()
    return total


def flops(raws, extra, params):
    return sum(((raw**2).mean(0) ** 2).sum() for raw in raws.values())


def quantized(raws, batch):
    """Codes that follow what they are codes of, so that their gradient is known, too."""
    return {
        name: Embedding(raw, unit_norm(raw), quantized=Quantized(raw, 0.5 * raw + 1))
        for name, raw in raws.items()
    }


def entropy(raws, extra, params):
    """Of three groups of two bits each, by their four codes; τ = 3."""
    total = 0
    for raw in raws.values():
        one = 1 / (1 + np.exp(-4 / 3 * raw))
        for a, b in ((0, 1), (2, 3), (4, 5)):
            p = np.stack(
                [u * v for u in (one[:, a], 1 - one[:, a]) for v in (one[:, b], 1 - one[:, b])], 1
            )
            mean = p.mean(0)
            total = total - (p * np.log(p)).sum(1).mean() + (mean * np.log(mean)).sum()
    return total


def commitment(raws, extra, params):
    total = 0
    for z in raws.values():
        e = 0.5 * z + 1
        total = total + ((z.real - e) ** 2).sum(1).mean() + 0.25 * ((z - e.real) ** 2).sum(1).mean()
    return total


def case(measure, names, formula, dim=5, outputs=squares, **more):
    spec = {"type": "code_regularizer", "views": names, "measure": measure, **more}
    without = {"memory": NO_PAIRS}
    if len(names) > 1:
        without |= {"absent": OWN_ROWS, "partners": OWN_ROWS}
    return Case(
        spec, names, formula, dim=dim, size=24, outputs=outputs, one_row=FORMULA, without=without
    )


CASES = {
    "overuse": case("overuse", PAIR, overuse),
    "overuse_one": case("overuse", ("a",), overuse),
    "flops": case("flops", PAIR, flops),
    "flops_one": case("flops", ("a",), flops),
    "bit_entropy": case(
        "entropy", ("a",), entropy, dim=6, outputs=quantized, temperature=3.0, group=2
    ),
    "commitment": case("commitment", ("a",), commitment, outputs=quantized),
}

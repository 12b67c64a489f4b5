"""Regularizers of codes, which are squares here, of which some rows have none."""

from term_harness import FORMULA, Case

from cases.uniformity import NO_PAIRS
from mmjax.model.embedding import Embedding, unit_norm

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


def case(measure, names, formula, **options):
    spec = {"type": "code_regularizer", "views": names, "measure": measure}
    without = {"memory": NO_PAIRS}
    if len(names) > 1:
        without |= {"absent": OWN_ROWS, "partners": OWN_ROWS}
    return Case(spec, names, formula, dim=5, size=24, outputs=squares, one_row=FORMULA,
                without=without, **options)  # fmt: skip


CASES = {
    "overuse": case("overuse", PAIR, overuse),
    "overuse_one": case("overuse", ("a",), overuse),
    "flops": case("flops", PAIR, flops),
    "flops_one": case("flops", ("a",), flops),
}

"""Uniformity within and across modalities, and alignment."""

import objective_formulas as formulas
from term_harness import FORMULA, SCHEDULES, Case

PAIR = ("a", "b")
EXACT = {
    "dim": 5,
    "size": 24,
    "tolerance": 1e-6,
    "gradients": 1e-6,
    "absent_plans": tuple((schedule, 2, 2) for schedule in SCHEDULES),
}
OWN_ROWS = "each modality has rows of its own; `uniformity_one` is tried"


def uniformity(raws, extra, params):
    return sum(formulas.uniformity(raw, 2.0) for raw in raws.values()) / len(raws)


def cross_uniformity(raws, extra, params):
    return formulas.cross_uniformity(*raws.values(), 3.0)


def alignment(raws, extra, params):
    return formulas.alignment(*raws.values())


CASES = {
    "uniformity": Case(
        {"type": "uniformity", "modalities": PAIR},
        PAIR,
        uniformity,
        **EXACT,
        without={"absent": OWN_ROWS, "partners": OWN_ROWS},
    ),
    "uniformity_one": Case(
        {"type": "uniformity", "modalities": ("a",)}, ("a",), uniformity, **EXACT
    ),
    "cross_uniformity": Case(
        {"type": "cross_uniformity", "pairs": (PAIR,), "t": 3.0}, PAIR, cross_uniformity, **EXACT
    ),
    "alignment": Case(
        {"type": "alignment", "pairs": (PAIR,)},
        PAIR,
        alignment,
        **EXACT,
        one_row=FORMULA,
        without={"memory": "it reduces over no pairs; of so little memory no growth can be read"},
    ),
}

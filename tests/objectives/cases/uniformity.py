"""Uniformity within and across modalities, and alignment."""

import numpy as np
import objective_formulas as formulas
from term_harness import FORMULA, SCHEDULES, Case

from cases.distillation import taught, teacher

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


def flags(size):
    """A label of two values, 1 for some three of five rows."""
    return {"flag": (np.arange(size) % 5 < 3).astype(np.int32)}


def pinned(raws, extra, params):
    (raw,) = raws.values()
    return formulas.pinned_uniformity(np.where(extra["flag"][:, None] == 0, 0, raw), 0.2)


def towards_zero(raws, extra, params):
    return sum((raw[extra["flag"] == 1] ** 2).sum(1).mean() for raw in raws.values()) / 2


def raw_alignment(raws, extra, params):
    x, y = (raw[extra["flag"] == 0] for raw in raws.values())
    return ((x - y) ** 2).sum(1).mean()


def joint(raws, extra, params):
    x, y = raws.values()
    return formulas.joint_entropy(
        formulas.normalize(x), np.where(extra["flag"][:, None] == 0, 0, y), 0.3
    )


def to_teacher(raws, extra, params):
    total = 0
    for name, raw in raws.items():
        old = formulas.normalize(extra[f"teacher/{name}"].astype(float))
        total = total + (1 - (formulas.normalize(raw) * old).sum(1)).mean()
    return total


NO_PAIRS = "it reduces over no pairs; of so little memory no growth can be read"
LABELLED = {"extra": flags, "one_row": None}

CASES = {
    "uniformity_pinned": Case(
        {
            "type": "uniformity",
            "modalities": ("a",),
            "layer": "raw",
            "t": 0.2,
            "pinned": {"flag": 0},
        },
        ("a",),
        pinned,
        **EXACT,
        **LABELLED,
    ),
    "alignment_zero_where": Case(
        {"type": "alignment", "pairs": (PAIR,), "layer": "raw", "to": "zero", "where": {"flag": 1}},
        PAIR,
        towards_zero,
        **EXACT,
        **LABELLED,
        without={"memory": NO_PAIRS},
    ),
    "alignment_raw_where": Case(
        {"type": "alignment", "pairs": (PAIR,), "layer": "raw", "where": {"flag": 0}},
        PAIR,
        raw_alignment,
        **EXACT,
        **LABELLED,
        without={"memory": NO_PAIRS},
    ),
    "alignment_teacher": Case(
        {"type": "alignment", "pairs": (PAIR,), "to": "teacher"},
        PAIR,
        to_teacher,
        taught,
        **{**EXACT, "dim": 4},
        known=teacher,
        one_row=FORMULA,
        without={"memory": NO_PAIRS},
    ),
    "joint_entropy": Case(
        {"type": "joint_entropy", "pairs": (PAIR,), "t": 0.3, "pinned": {"flag": 0}},
        PAIR,
        joint,
        **{**EXACT, "dim": {"a": 5, "b": 3}},
        **LABELLED,
        microbatch_tolerance=1e-5,  # a squared distance is a difference of rounded numbers
    ),
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
        without={"memory": NO_PAIRS},
    ),
}

"""InfoNCE and the sigmoid loss."""

import numpy as np
import objective_formulas as formulas
from term_harness import FORMULA, PLANS, SCHEDULES, Case

PAIR = ("a", "b")
# Sums of softmaxes of 24 x 24 scores lose nothing: all is held to 1e-6, parameters to 2e-6.
EXACT = {"dim": 5, "size": 24, "tolerance": 1e-6, "gradients": 1e-6, "parameters": 2e-6}
EVERYWHERE = {**EXACT, "absent_plans": tuple((schedule, 2, 2) for schedule in SCHEDULES)}


def ids(size):
    """Every third id is there twice."""
    return {"id": (np.arange(size) * 3) // 4}


def info_nce(raws, extra, params):
    return formulas.info_nce(*raws.values(), params["temperature/log_scale"])


def info_nce_masked(raws, extra, params):
    return formulas.info_nce(
        *raws.values(),
        np.log(1 / 0.07),
        weights=(0.3, 0.7),
        smoothing=0.1,
        counted=formulas.not_duplicate(extra["id"]),
    )


def concepts(size):
    """As `ids`, but every row has an id of its own."""
    return {"id": np.arange(size), "concept": ids(size)["id"]}


def info_nce_concepts(raws, extra, params):
    counted = formulas.not_duplicate(extra["concept"])
    return formulas.info_nce(*raws.values(), params["temperature/log_scale"], counted=counted)


def log_softmax(s, axis):
    return s - np.expand_dims(formulas.logsumexp(s, np.ones(s.shape, bool), axis), axis)


def align(raws, extra, params):
    """Card 56: label smoothing over N, the sum of both directions, divided by σ itself."""
    x, y = (formulas.normalize(raw) for raw in raws.values())
    s = x @ y.T / params["temperature/value"]
    n = len(s)
    target = 0.9 * np.eye(n) + 0.1 / n
    return -(target * log_softmax(s, 1)).sum() / n - (target * log_softmax(s.T, 1)).sum() / n


def sigmoid(raws, extra, params):
    return formulas.sigmoid(*raws.values(), params["temperature/log_scale"], params["bias"])


def sigmoid_masked(raws, extra, params):
    counted = formulas.not_duplicate(extra["id"])
    return formulas.sigmoid(*raws.values(), np.log(5.0), -2.0, counted=counted)


CASES = {
    "info_nce": Case({"type": "info_nce", "pairs": (PAIR,)}, PAIR, info_nce, ids, **EVERYWHERE),
    "info_nce_masked": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "learn_temperature": False,
            "direction_weights": (0.3, 0.7),
            "label_smoothing": 0.1,
            "duplicates": "mask",
        },
        PAIR,
        info_nce_masked,
        ids,
        **EVERYWHERE,
    ),
    "info_nce_concepts": Case(
        {"type": "info_nce", "pairs": (PAIR,), "duplicates": "mask", "duplicates_by": "concept"},
        PAIR,
        info_nce_concepts,
        concepts,
        **EXACT,
        plans=PLANS[:1],
    ),
    "align": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "direction_weights": (1.0, 1.0),
            "temperature": 0.2,
            "label_smoothing": 0.1,
            "temperature_form": "temperature",
        },
        PAIR,
        align,
        plans=(("ring", 4, 1),),
    ),
    "sigmoid": Case(
        {"type": "sigmoid", "pairs": (PAIR,)}, PAIR, sigmoid, ids, **EVERYWHERE, one_row=FORMULA
    ),
    "sigmoid_masked": Case(
        {
            "type": "sigmoid",
            "pairs": (PAIR,),
            "temperature": 0.2,
            "learn_temperature": False,
            "bias": -2.0,
            "learn_bias": False,
            "duplicates": "mask",
        },
        PAIR,
        sigmoid_masked,
        ids,
        **EVERYWHERE,
        one_row=FORMULA,
    ),
}

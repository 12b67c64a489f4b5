"""InfoNCE, alone and stacked, and the sigmoid loss."""

import numpy as np
import objective_formulas as formulas
from term_harness import FORMULA, PLANS, SCHEDULES, Case

PAIR = ("a", "b")
STACK, STACKED = (("a", "b"), ("a@2", "b@2")), ("a", "b", "a@2", "b@2")
# Sums of softmaxes of 24 x 24 scores lose nothing: all is held to 1e-6, parameters to 2e-6.
EXACT = {"dim": 5, "size": 24, "tolerance": 1e-6, "gradients": 1e-6, "parameters": 2e-6}
RING = {**EXACT, "plans": (("ring", 4, 1),), "one_row": FORMULA}
EVERYWHERE = {**EXACT, "absent_plans": tuple((schedule, 2, 2) for schedule in SCHEDULES)}


def ids(size):
    """Every third id is there twice."""
    return {"id": (np.arange(size) * 3) // 4}


def ids_of_pairs(size):
    """Second pairs are often of what other rows' first pairs are of."""
    first = (np.arange(size) * 3) // 4
    return {"first": first, "second": np.roll(first, 2)}


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


def info_nce_negatives(raws, extra, params):
    """Directions that differ: both have their own negatives, and equal ids are no negatives."""
    a, b, wrong, n = (formulas.normalize(raw) for raw in raws.values())
    scale, loss = np.exp(params["temperature/log_scale"]), 0
    for weight, x, y, columns in ((0.3, a, b, (wrong,)), (0.7, b, a, (n, wrong))):
        kept = formulas.not_duplicate(extra["id"])
        s = scale * x @ np.concatenate([y, *columns]).T
        kept = np.concatenate([kept, *(np.ones_like(kept) for _ in columns)], axis=1)
        loss = loss + weight * (formulas.logsumexp(s, kept, 1) - np.diag(s)).mean()
    return loss


def info_nce_same_side(raws, extra, params):
    """Card 51: l_a(i), the diagonal within a side left out; equal ids are, too."""
    a, b = (formulas.normalize(raw) for raw in raws.values())
    kept, loss = formulas.not_duplicate(extra["id"]), 0
    for x, y in ((a, b), (b, a)):
        s = np.concatenate([x @ y.T, 0.8 * x @ x.T], axis=1) / 0.1
        where = np.concatenate([kept, kept & ~np.eye(len(x), dtype=bool)], axis=1)
        loss = loss + (formulas.logsumexp(s, where, 1) - np.diag(s)).mean() / 2
    return loss


def info_nce_repeated(raws, extra, params):
    """Card 18: logits [s_ii, s_i1, ..., s_iN], the own one at 0, of the first side alone."""
    a, b = (formulas.normalize(raw) for raw in raws.values())
    s = np.exp(params["temperature/log_scale"]) * a @ b.T
    logits = np.concatenate([np.diag(s)[:, None], s], axis=1)
    kept = np.ones(logits.shape, bool)
    return (formulas.logsumexp(logits, kept, 1) - logits[:, 0]).mean()


def stacked(same, crossed, rows, directions, scale=None, ids=False):
    """Card 54: 2B x 2B logits with log-weights by block, and a weighted mean of the rows."""

    def formula(raws, extra, params):
        a, b, a2, b2 = (formulas.normalize(raw) for raw in raws.values())
        x, y, n = np.concatenate([a, a2]), np.concatenate([b, b2]), len(a)
        own = np.eye(n, dtype=bool)
        block = np.where(own, same, crossed)
        weight = np.block([[np.ones((n, n)), block], [block, np.ones((n, n))]])
        kept = weight > 0
        if ids:
            of_pair = np.concatenate([extra["first"], extra["second"]])
            kept = kept & ((of_pair[:, None] != of_pair) | np.tile(own, (2, 2)))
        factor = np.exp(params["temperature/log_scale"]) if scale is None else scale
        s = factor * x @ y.T
        weighed = s + np.log(np.where(kept, weight, 1))
        of_row = np.repeat(rows, n)
        loss = 0
        for direction, axis in zip(directions, (1, 0), strict=True):
            each = formulas.logsumexp(weighed, kept, axis) - np.diag(s)
            loss = loss + direction * (of_row * each).sum() / of_row.sum()
        return loss

    return formula


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
    "info_nce_negatives": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "direction_weights": (0.3, 0.7),
            "duplicates": "mask",
            "negatives": {"b": ("c",), "a": ("d", "c")},
        },
        ("a", "b", "c", "d"),
        info_nce_negatives,
        ids,
        **EXACT,
        one_row=FORMULA,
    ),
    "info_nce_same_side": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "temperature": 0.1,
            "learn_temperature": False,
            "duplicates": "mask",
            "same_side": 0.8,
        },
        PAIR,
        info_nce_same_side,
        ids,
        **{**RING, "one_row": 0.0},
    ),
    "info_nce_repeated": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "direction_weights": (1.0, 0.0),
            "max_scale": None,
            "repeat_positive": True,
        },
        PAIR,
        info_nce_repeated,
        **EVERYWHERE,
        one_row=FORMULA,
    ),
    "stacked_info_nce": Case(
        {"type": "stacked_info_nce", "pairs": STACK},
        STACKED,
        stacked(1.0, 1.0, (1.0, 1.0), (0.5, 0.5)),
        ids,
        **EXACT,
        one_row=FORMULA,
    ),
    "stacked_info_nce_weights": Case(
        {
            "type": "stacked_info_nce",
            "pairs": STACK,
            "same": 2.0,
            "crossed": 0.5,
            "row_weights": (1.0, 0.3),
            "direction_weights": (1.0, 0.8),
            "temperature": 0.2,
            "learn_temperature": False,
            "duplicates": "mask",
            "ids": ("first", "second"),
        },
        STACKED,
        stacked(2.0, 0.5, (1.0, 0.3), (1.0, 0.8), scale=5.0, ids=True),
        ids_of_pairs,
        **RING,
    ),
    "stacked_info_nce_own": Case(
        {
            "type": "stacked_info_nce",
            "pairs": STACK,
            "crossed": 0.0,
            "row_weights": (1.0, 0.0),
            "direction_weights": (1.0, 0.0),
        },
        STACKED,
        stacked(1.0, 0.0, (1.0, 0.0), (1.0, 0.0)),
        ids,
        **RING,
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

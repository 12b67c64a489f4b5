"""SimSiam and BYOL between modalities."""

import numpy as np
from objective_formulas import normalize
from term_harness import PLANS, Case

from mmjax.model.embedding import Embedding, unit_norm

DIM = 4
SPEC = {"type": "predictive", "pairs": (("a", "b"), ("a@2", "b")), "dim": DIM, "hidden": 20}
NAMES = ("a", "b", "a@2")


def taught(size):
    rng = np.random.default_rng(4)
    return {f"teacher {view}": rng.normal(size=(size, DIM)).astype(np.float32) for view in NAMES}


def known(extra):
    raws = {view: extra[f"teacher {view}"] for view in NAMES}
    return {"teacher": {view: Embedding(raw, unit_norm(raw)) for view, raw in raws.items()}}


def predicted(x, params, modality):
    path = f"predictors/{modality}"
    y = x @ params[f"{path}/first/kernel"]
    centred = y - y.mean(0)
    y = centred / np.sqrt((centred**2).mean(0) + 1e-5)
    y = y * params[f"{path}/norm/scale"] + params[f"{path}/norm/bias"]
    y = np.where(y.real > 0, y, 0)
    return y @ params[f"{path}/second/kernel"] + params[f"{path}/second/bias"]


def formula(pairs, teacher, within=0.0, squared=False):
    def value(raws, extra, params):
        def target(view):
            raw = extra[f"teacher {view}"].astype(float) if teacher else raws[view].real
            return raw if squared else normalize(raw)

        losses = []
        for a, b in pairs:
            for one, other in ((a, b), (b, a)):
                guess = predicted(raws[one], params, one[0])
                if squared:
                    shares = ((1 - within, target(other)), (within, target(one)))
                    far = [w * ((guess - goal) ** 2).mean(1).mean() for w, goal in shares]
                    losses.append(2 * sum(far))
                    continue
                guess = normalize(guess)
                goal = (1 - within) * target(other) + within * target(one)
                losses.append((2 - 2 * (guess * goal).sum(1)).mean())
        return np.mean(losses)

    return value


PAIR = {**SPEC, "pairs": (("a", "b"),)}
# The norm of a batch divides by deviations of hidden numbers, and magnifies their rounding.
OPTIONS = {"tolerance": 1e-5, "microbatches": {"norm": False}, "one_row": None}
CASES = {
    "siam_pair": Case(PAIR, ("a", "b"), formula(PAIR["pairs"], False), plans=PLANS[:1], **OPTIONS),
    "rebuilt": Case(
        {**PAIR, "loss": "mse", "within": 0.2},
        ("a", "b"),
        formula(PAIR["pairs"], False, 0.2, True),
        plans=PLANS[:1],
        **OPTIONS,
    ),
    "siam": Case(
        SPEC,
        NAMES,
        formula(SPEC["pairs"], False),
        plans=PLANS[:2],
        without=dict.fromkeys(
            ("absent", "partners"), "each pair has rows of its own; `siam_pair` is tried"
        ),
        **OPTIONS,
    ),
    "byol": Case(
        {**PAIR, "target": "teacher"},
        ("a", "b"),
        formula(PAIR["pairs"], True),
        taught,
        known=known,
        plans=PLANS[:2],
        **OPTIONS,
    ),
    "slap": Case(
        {**PAIR, "target": "teacher", "within": 0.3},
        ("a", "b"),
        formula(PAIR["pairs"], True, 0.3),
        taught,
        known=known,
        plans=PLANS[:1],
        **OPTIONS,
    ),
}

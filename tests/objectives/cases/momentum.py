"""Queries against a teacher's keys and a queue: the formulas of MoCo, ALBEF and TCL."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case

from mmjax.model.embedding import Embedding, Keys, unit_norm

DIM, SLOTS = 4, 3
TAUGHT = ("a@2", "b")
ALPHA = 0.4


def taught(size):
    """The teacher's raw embeddings of its views."""
    rng = np.random.default_rng(5)
    return {f"teacher {view}": rng.normal(size=(size, DIM)).astype(np.float32) for view in TAUGHT}


def queue_of(view, size=SIZE):
    """Keys of three earlier batches, one of them not filled; some ids are those of this batch."""
    rng = np.random.default_rng(TAUGHT.index(view))
    unit = normalize(rng.normal(size=(size, SLOTS, DIM))).astype(np.float32)
    valid = rng.random((size, SLOTS)) < 0.8
    valid[:, 1] = False
    return Keys(unit, valid, rng.integers(0, 3 * size, size=(size, SLOTS)).astype(np.int32))


def queued(size):
    """What a step is given of teacher and queue."""
    found = taught(size)
    for view in TAUGHT:
        keys = queue_of(view, size)._asdict()
        found |= {f"queue {view} {name}": value for name, value in keys.items()}
    return found


def known(extra):
    """The fields of the context, of what there is of them."""
    outputs, queue = {}, {}
    for view in TAUGHT:
        raw = extra[f"teacher {view}"]
        outputs[view] = Embedding(raw, unit_norm(raw))
        if f"queue {view} unit" in extra:
            queue[view] = Keys(*(extra[f"queue {view} {name}"] for name in Keys._fields))
    return {"teacher": outputs, "queue": queue or None}


def one_pair(query, key, reference, past, scale, alpha, ids=None, past_ids=None):
    q, k = normalize(query), normalize(key.astype(float))
    k = np.concatenate([k, past])
    s = scale * q @ k.T
    counted = np.ones(s.shape, bool)
    if ids is not None:
        other = np.concatenate([ids, past_ids])[None, :] != ids[:, None]
        counted = other | np.eye(*s.shape, dtype=bool)
    loss = logsumexp(s, counted, 1) - (1 - alpha) * np.diagonal(s)
    if alpha:
        # Constants: of the real parts, so that no derivative passes.
        r = scale.real * normalize(reference.astype(float)) @ k.T
        p = np.where(counted, np.exp(r - logsumexp(r, counted, 1)[:, None]), 0)
        loss = loss - alpha * (p * s).sum(1)
    return loss.mean()


def formula(pairs, *, queue=True, soft=ALPHA, within=False, mask=False):
    def value(raws, extra, params):
        scale = np.exp(params["temperature/log_scale"])
        losses = []
        for query, key in pairs:
            keys = queue_of(key)
            valid = keys.valid & queue
            alpha = soft if within or query[0] != key[0] else 0.0
            reference = extra["teacher a@2" if query[0] == "a" else "teacher b"]
            ids = (extra["id"], keys.id[valid]) if mask else (None, None)
            past = keys.unit[valid].astype(float)
            losses.append(
                one_pair(raws[query], extra[f"teacher {key}"], reference, past, scale, alpha, *ids)
            )
        return np.mean(losses)

    return value


def columns(pairs):
    """The metric of chance knows how many keys there are."""

    def check(metrics, extra):
        count = [SIZE + queue_of(key).valid.sum() for _, key in pairs]
        np.testing.assert_allclose(metrics["term/chance"], np.log(np.mean(count)), rtol=1e-5)

    return check


CROSS = (("a", "b"), ("b", "a@2"))
OWN = (("a", "a@2"), ("b", "b"))
SPEC = {"type": "momentum_nce", "temperature": 0.2}
RAMP = {"type": "linear", "start": 0.0, "end": 2 * ALPHA}  # the harness is at half of the training
OPTION = (("ring", 2, 1),)
PAIR = ("a", "b")
OWN_ROWS = "each pair has rows of its own; those of `momentum_cross` all need both modalities"
QUEUE = {"known": known, "one_row": None}  # one row is compared with the queue
CASES = {
    "momentum_cross": Case(
        {**SPEC, "pairs": CROSS, "soft": ALPHA}, PAIR, formula(CROSS), queued, plans=OPTION, **QUEUE
    ),
    "momentum_all": Case(
        {**SPEC, "pairs": CROSS + OWN, "soft": RAMP},
        PAIR,
        formula(CROSS + OWN),
        queued,
        plans=PLANS,
        metrics=columns(CROSS + OWN),
        without={"absent": OWN_ROWS, "partners": OWN_ROWS},
        **QUEUE,
    ),
    "momentum_within": Case(
        {**SPEC, "pairs": OWN, "soft": ALPHA, "soft_within": True},
        PAIR,
        formula(OWN, within=True),
        queued,
        plans=OPTION,
        without={"absent": OWN_ROWS, "partners": OWN_ROWS},
        **QUEUE,
    ),
    "momentum_mask": Case(
        {**SPEC, "pairs": CROSS, "soft": ALPHA, "duplicates": "mask"},
        PAIR,
        formula(CROSS, mask=True),
        lambda size: {**queued(size), "id": np.arange(size, dtype=np.int32)},
        plans=PLANS,
        metrics=columns(CROSS),
        **QUEUE,
    ),
    "momentum_batch": Case(
        {**SPEC, "pairs": CROSS + OWN},
        PAIR,
        formula(CROSS + OWN, queue=False, soft=0.0),
        taught,
        known=known,
        plans=OPTION,
        without={"absent": OWN_ROWS, "partners": OWN_ROWS},
    ),
}

"""Queries against a teacher's keys and a queue: the formulas of MoCo, ALBEF and TCL."""

import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, Keys, unit_norm
from mmjax.objectives import TermError

DIM, SLOTS = 4, 3
TAUGHT = ("a@2", "b")
ALPHA = 0.4


def taught(size):
    """The teacher's raw embeddings of its views."""
    rng = np.random.default_rng(5)
    return {f"teacher {view}": rng.normal(size=(size, DIM)).astype(np.float32) for view in TAUGHT}


def queue_of(view):
    """Keys of three earlier batches, one of them not filled; some ids are those of this batch."""
    rng = np.random.default_rng(TAUGHT.index(view))
    unit = normalize(rng.normal(size=(SIZE, SLOTS, DIM))).astype(np.float32)
    valid = rng.random((SIZE, SLOTS)) < 0.8
    valid[:, 1] = False
    return Keys(unit, valid, rng.integers(0, 3 * SIZE, size=(SIZE, SLOTS)).astype(np.int32))


def known(extra, queue=True):
    outputs = {}
    for view in TAUGHT:
        raw = extra[f"teacher {view}"]
        outputs[view] = Embedding(raw, unit_norm(raw))
    return {"teacher": outputs, "queue": {v: queue_of(v) for v in TAUGHT} if queue else None}


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


CROSS = (("a", "b"), ("b", "a@2"))
OWN = (("a", "a@2"), ("b", "b"))
SPEC = {"type": "momentum_nce", "temperature": 0.2}
RAMP = {"type": "linear", "start": 0.0, "end": 2 * ALPHA}  # the harness is at half of the training


def with_ids(size):
    return {**taught(size), "id": np.arange(size, dtype=np.int32)}


CASES = {
    "momentum_cross": Case(
        {**SPEC, "pairs": CROSS, "soft": ALPHA}, ("a", "b"), formula(CROSS), taught, known=known
    ),
    "momentum_all": Case(
        {**SPEC, "pairs": CROSS + OWN, "soft": RAMP},
        ("a", "b"),
        formula(CROSS + OWN),
        taught,
        known=known,
    ),
    "momentum_within": Case(
        {**SPEC, "pairs": OWN, "soft": ALPHA, "soft_within": True},
        ("a", "b"),
        formula(OWN, within=True),
        taught,
        known=known,
    ),
    "momentum_mask": Case(
        {**SPEC, "pairs": CROSS, "soft": ALPHA, "duplicates": "mask"},
        ("a", "b"),
        formula(CROSS, mask=True),
        with_ids,
        known=known,
    ),
    "momentum_batch": Case(
        {**SPEC, "pairs": CROSS + OWN},
        ("a", "b"),
        formula(CROSS + OWN, queue=False, soft=0.0),
        taught,
        known=lambda extra: known(extra, queue=False),
    ),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", ["momentum_all", "momentum_mask"])
def test_equals_the_formula(name, plan):
    metrics = CASES[name].check(plan)
    columns = [SIZE + queue_of(key).valid.sum() for _, key in CASES[name].spec["pairs"]]
    np.testing.assert_allclose(metrics["term/chance"], np.log(np.mean(columns)), rtol=1e-5)


@pytest.mark.parametrize("name", ["momentum_within", "momentum_batch", "momentum_cross"])
def test_options_equal_the_formula(name):
    CASES[name].check(("ring", 2, 1))


@pytest.mark.parametrize("name", ["momentum_cross", "momentum_mask"])
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


def test_one_row_without_a_queue_has_no_negatives():
    CASES["momentum_batch"].check_one_row()


def test_in_batch_loss_is_that_without_a_queue():
    spec = {**SPEC, "pairs": OWN}
    raws = {name: taught(SIZE)["teacher b"] + k for k, name in enumerate(("a", "b"))}
    extra = taught(SIZE)
    _, _, _, metrics = run(spec, plan_of("dense", 1, 1), raws, extra, known(extra))
    alone, *_ = run(spec, plan_of("dense", 1, 1), raws, extra, known(extra, queue=False))
    np.testing.assert_allclose(metrics["term/in_batch"], alone, rtol=1e-6)
    assert metrics["term/loss"] > alone + 0.1


def test_what_is_missing_is_named():
    raws = {name: np.ones((4, DIM), np.float32) for name in ("a", "b")}
    plan = plan_of("dense", 1, 1)
    with pytest.raises(TermError, match="needs a teacher"):
        run({**SPEC, "pairs": CROSS}, plan, raws, {"id": np.arange(4)})
    teacher = {"teacher": {"b": Embedding(raws["b"], unit_norm(raws["b"]))}}
    with pytest.raises(TermError, match=r"needs the modality 'a@2@teacher'"):
        run({**SPEC, "pairs": CROSS}, plan, raws, {"id": np.arange(4)}, teacher)
    with pytest.raises(TermError, match=r"embedding of 'a'.*'teacher.views' has none"):
        run(
            {**SPEC, "pairs": (("a", "b"),), "soft": 0.5}, plan, raws, {"id": np.arange(4)}, teacher
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": ()}, "needs pairs"),
        ({"soft": 1.5}, r"soft=1.5 .* in \[0, 1\]"),
        ({"soft": {"type": "linear", "start": 0.0}}, "'soft' misses the key 'end'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make({**SPEC, **options})

"""Terms that read labels or a reference: supervised contrastive, soft targets, gated pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run, term_key

from mmjax.objectives import TermError

PAIR = ("a", "b")
CLASSES = 5


def labels(size):
    return {"label": ((np.arange(size) * 7) % CLASSES).astype(np.int32)}


def sup_con(raws, extra, params):
    z = np.concatenate([normalize(raw) for raw in raws.values()])
    y = np.concatenate([extra["label"]] * len(raws))
    s = z @ z.T / 0.2
    other = ~np.eye(len(z), dtype=bool)
    positive = other & (y[:, None] == y[None, :])
    has = positive.any(1)
    mean = np.where(positive, s, 0).sum(1) / np.maximum(positive.sum(1), 1)
    return (logsumexp(s, other, 1) - mean)[has].mean()


def soft(weight, soft_sides=(True, True), sides=(0.5, 0.5), reference="r", stop=True):
    def formula(raws, extra, params):
        x, y = normalize(raws["a"]), normalize(raws["b"])
        scale = np.exp(params["temperature/log_scale"])
        s = scale * x @ y.T
        if reference == "label":
            w = (extra["label"][:, None] == extra["label"][None, :]).astype(float)
        else:
            r = normalize(raws[reference])
            c = r @ r.T
            w = weight(c.real if stop else c)
        loss = 0
        for side, axis in ((0, 1), (1, 0)):
            target = np.diag(s)
            if soft_sides[side]:
                target = (w * s).sum(axis) / w.sum(axis)
            everything = logsumexp(s, np.ones(s.shape, bool), axis)
            loss = loss + sides[side] * (everything - target).mean()
        return loss

    return formula


def second_labels(spec):
    """t of all rows, before any row is left out."""
    return np.asarray(make(spec).terms["term"].second_labels(term_key(), labels(SIZE)["label"]))


def gated(spec, renorm=True):
    def formula(raws, extra, params):
        y, t = extra["label"], extra["second"]
        z, keys = normalize(raws["a"]), normalize(raws["b"])
        gate = np.ones(z.shape)
        if params:
            x = (params["gate/table"][y] + params["gate/table"][t]) / 2
            for i, layer in enumerate(("first", "second")):
                x = np.where(x.real > 0, x, 0)
                if f"gate/norms/{i}/scale" in params:
                    x = x - x.mean(1, keepdims=True)
                    x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
                    x = x * params[f"gate/norms/{i}/scale"] + params[f"gate/norms/{i}/bias"]
                x = x @ params[f"gate/{layer}/kernel"] + params[f"gate/{layer}/bias"]
            gate = 1 / (1 + np.exp(-x))
        if renorm:
            own = normalize(gate * z)
            s = np.stack([normalize(gate[i] * keys) @ own[i] for i in range(len(z))]) / 0.3
        else:
            s = (gate**2 * z) @ keys.T / 0.3
        positive = t[:, None] == y[None, :]
        negative = ~positive & (y[:, None] != y[None, :])
        total, count = 0, 0
        for i in np.flatnonzero(negative.any(1)):
            below = np.exp(s[i][negative[i]]).sum()
            for p in np.flatnonzero(positive[i]):
                total = total + np.log(np.exp(s[i, p]) + below) - s[i, p]
                count += 1
        return total / count

    def extra(size):
        return {**labels(size), "second": second_labels(spec)[:size]}

    return Case(spec, PAIR, formula, extra)


GATE = {"type": "gated_nce", "pair": PAIR, "classes": CLASSES, "dim": 4, "width": 8, "hidden": 6,
        "temperature": 0.3}  # fmt: skip
SOFT = {"type": "soft_info_nce", "pairs": (PAIR,), "temperature": 0.2}
R = (*PAIR, "r")

CASES = {
    "sup_con": Case(
        {"type": "sup_con", "views": PAIR, "temperature": 0.2}, PAIR, sup_con, labels
    ),
    "sup_con_one_view": Case(
        {"type": "sup_con", "views": ("a",), "temperature": 0.2}, ("a",), sup_con, labels
    ),
    "dialog2flow": Case(
        {**SOFT, "reference": "r", "reference_temperature": 0.35},
        R,
        soft(lambda c: np.exp(c / 0.35)),
    ),
    "soft_clip": Case(
        {**SOFT, "reference": "second", "reference_temperature": 0.2, "stop_gradient": False},
        PAIR,
        soft(lambda c: np.exp(c / 0.2), reference="b", stop=False),
    ),
    "cwcl": Case(
        {**SOFT, "reference": "a", "weights": "affine", "soft": "rows",
         "direction_weights": (1.0, 0.5)},
        PAIR,
        soft(lambda c: 0.5 + 0.5 * c, (True, False), (1.0, 0.5), reference="a"),
    ),
    "relu": Case(
        {**SOFT, "reference": "r", "weights": "relu", "soft": "cols"},
        R,
        soft(lambda c: np.maximum(c, 0), (False, True)),
    ),
    "labels": Case(
        {**SOFT, "reference": "label", "weights": "labels"},
        PAIR,
        soft(None, reference="label"),
        labels,
    ),
    "gated_distinct": gated({**GATE, "pairing": "distinct"}),
    "gated_inner": gated({**GATE, "pairing": "arbitrary", "norm": False, "renorm": False}, False),
    "ungated_identical": gated({**GATE, "pairing": "identical", "gated": False}),
}  # fmt: skip


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    # A layer norm of few numbers, some of them 0, loses a digit.
    CASES[name].check(plan, tolerance=1e-5 if name == "gated_distinct" else 2e-6)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


def test_sup_con_without_any_positive_is_zero_and_has_no_gradient():
    spec = {"type": "sup_con", "views": ("a",)}
    batch = {"label": np.arange(4, dtype=np.int32)}
    value, grads, _, _ = run(spec, plan_of("gather", 1, 1), embeddings(("a",), 4), batch)
    assert value == 0
    np.testing.assert_array_equal(grads["a"], 0)


def test_soft_targets_that_are_the_identity_are_info_nce():
    raws = embeddings(PAIR)
    batch = {"label": np.arange(SIZE, dtype=np.int32)}
    spec = {**SOFT, "reference": "label", "weights": "labels"}
    plain = {"type": "info_nce", "pairs": (PAIR,), "temperature": 0.2}
    plan = plan_of("dense", 1, 1)
    one, other = (run(each, plan, raws, batch) for each in (spec, plain))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)


def test_second_classes_are_what_the_pairing_says():
    y = jnp.asarray(np.arange(1000) % CLASSES)
    key = jax.random.key(0)

    def draw(pairing):
        return np.asarray(make({**GATE, "pairing": pairing}).terms["term"].second_labels(key, y))

    np.testing.assert_array_equal(draw("identical"), y)
    distinct = draw("distinct")
    assert (distinct != np.asarray(y)).all()
    assert set(distinct) == set(range(CLASSES))
    arbitrary = draw("arbitrary")
    np.testing.assert_array_equal(np.bincount(arbitrary), np.bincount(np.asarray(y)))
    assert 0.1 < (arbitrary == np.asarray(y)).mean() < 0.3


def test_a_label_that_is_not_in_the_batch_is_named():
    with pytest.raises(TermError, match="needs 'label' of every example"):
        run({"type": "sup_con", "views": ("a",)}, plan_of("dense", 1, 1), embeddings(("a",)), {})

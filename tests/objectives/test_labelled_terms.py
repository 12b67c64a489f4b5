"""Terms that read labels or a reference: supervised contrastive, soft targets, gated pairs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run, term_key

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, TermError
from mmjax.parallel.pairwise import Plan

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


def project(x, params):
    for i in range(sum(name.startswith("projection/") for name in params)):
        x = np.where(x.real > 0, x, 0) if i else x
        x = x @ params[f"projection/{i}/kernel"]
    return normalize(x)


def soft(targets, sides=("soft", "soft"), parts=(0.5, 0.5), reference="r", stop=True):
    """Card 68: cross-entropy of ONE matrix P of targets, whose rows sum to 1, in both directions.

    `targets` makes P of the cosines of the reference, or of the equality of labels. A direction
    that is not soft has the pair for its target.
    """

    def formula(raws, extra, params):
        x, y = (project(raws[name], params) for name in PAIR)
        s = np.exp(params["temperature/log_scale"]) * x @ y.T
        if reference == "label":
            c = (extra["label"][:, None] == extra["label"][None, :]).astype(float)
        else:
            r = normalize(raws[reference])
            c = (r @ r.T).real if stop else r @ r.T
        soft, exact = targets(c), np.eye(len(s))
        loss = 0
        for logits, side, part in zip((s, s.T), sides, parts, strict=True):
            log_q = logits - logsumexp(logits, np.ones(s.shape, bool), 1)[:, None]
            loss = loss - part * ((soft if side == "soft" else exact) * log_q).sum(1).mean()
        return loss

    return formula


def softmax(temperature):
    """P = softmax over j of cos / τ', row by row."""

    def targets(c):
        d = c / temperature
        return np.exp(d - logsumexp(d, np.ones(d.shape, bool), 1)[:, None])

    return targets


def shares(weight=lambda c: c):
    """P = each row's shares of weights."""

    def targets(c):
        w = weight(c)
        return w / w.sum(1, keepdims=True)

    return targets


def second_labels(spec):
    """t of all rows, before any row is left out."""
    return np.asarray(make(spec).terms["term"].second_labels(term_key(), labels(SIZE)["label"]))


def gate_of(params, y, t):
    x = (params["gate/table"][y] + params["gate/table"][t]) / 2
    for i, layer in enumerate(("first", "second")):
        x = np.where(x.real > 0, x, 0)
        if f"gate/norms/{i}/scale" in params:
            x = x - x.mean(1, keepdims=True)
            x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
            x = x * params[f"gate/norms/{i}/scale"] + params[f"gate/norms/{i}/bias"]
        x = x @ params[f"gate/{layer}/kernel"] + params[f"gate/{layer}/bias"]
    return 1 / (1 + np.exp(-x))


def partners(spec):
    """Gated pairs of rows: cross-entropy of the partner's place, both views being anchors."""
    term = make(spec).terms["term"]

    def formula(raws, extra, params):
        valid = np.isin(np.arange(SIZE), extra["row"])
        place = np.cumsum(valid) - 1
        loss = 0
        for k, (a, b) in enumerate((("a", "b"), ("b", "a"))):
            key = jax.random.fold_in(term_key(), k) if k else term_key()
            drawn = term.partners(key, SIZE, None if valid.all() else jnp.asarray(valid))
            partner = place[np.asarray(drawn)[valid]]
            z, keys = normalize(raws[a]), normalize(raws[b])
            gate = np.ones(z.shape)
            if params:
                gate = gate_of(params, extra["label"], extra["label"][partner])
            for i in range(len(z)):
                s = normalize(gate[i] * keys) @ normalize(gate[i : i + 1] * z[i])[0] / 0.3
                loss = loss + np.log(np.exp(s).sum()) - s[partner[i]]
        loss = loss / (2 * len(extra["row"]))
        if spec.get("gate_entropy"):
            g = gate_of(params, np.arange(CLASSES), np.arange(CLASSES))
            entropy = -(g * np.log(g) + (1 - g) * np.log(1 - g)).mean()
            loss = loss + spec["gate_entropy"] * entropy
        return loss

    return Case(spec, PAIR, formula, lambda size: {**labels(size), "row": np.arange(size)})


def gated(spec, renorm=True):
    def formula(raws, extra, params):
        y, t = extra["label"], extra["second"]
        z, keys = normalize(raws["a"]), normalize(raws["b"])
        gate = gate_of(params, y, t) if params else np.ones(z.shape)
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


GATE = {
    "type": "gated_nce",
    "pair": PAIR,
    "classes": CLASSES,
    "dim": 4,
    "width": 8,
    "hidden": 6,
    "temperature": 0.3,
}
SOFT = {"type": "soft_info_nce", "pairs": (PAIR,), "temperature": 0.2}
R = (*PAIR, "r")

CASES = {
    "sup_con": Case({"type": "sup_con", "views": PAIR, "temperature": 0.2}, PAIR, sup_con, labels),
    "sup_con_one_view": Case(
        {"type": "sup_con", "views": ("a",), "temperature": 0.2}, ("a",), sup_con, labels
    ),
    "dialog2flow": Case(
        {**SOFT, "reference": "r", "reference_temperature": 0.35}, R, soft(softmax(0.35))
    ),
    "projected": Case(
        {**SOFT, "reference": "r", "reference_temperature": 0.35, "projection": (4, 6, 5)},
        R,
        soft(softmax(0.35)),
    ),
    "soft_clip": Case(
        {**SOFT, "reference": "second", "reference_temperature": 0.2, "stop_gradient": False},
        PAIR,
        soft(softmax(0.2), reference="b", stop=False),
    ),
    "cwcl": Case(
        {
            **SOFT,
            "reference": "a",
            "weights": "affine",
            "soft": "rows",
            "direction_weights": (1.0, 0.5),
        },
        PAIR,
        soft(shares(lambda c: 0.5 + 0.5 * c), ("soft", "exact"), (1.0, 0.5), reference="a"),
    ),
    "relu": Case(
        {**SOFT, "reference": "r", "weights": "relu", "soft": "cols"},
        R,
        soft(shares(lambda c: np.maximum(c, 0)), ("exact", "soft")),
    ),
    "labels": Case(
        {**SOFT, "reference": "label", "weights": "labels"},
        PAIR,
        soft(shares(), reference="label"),
        labels,
    ),
    "gated_distinct": gated({**GATE, "pairing": "distinct"}),
    "gated_inner": gated({**GATE, "pairing": "arbitrary", "norm": False, "renorm": False}, False),
    "ungated_identical": gated({**GATE, "pairing": "identical", "gated": False}),
    "gated_rows": partners(
        {**GATE, "negatives": "all", "anchors": "both", "norm": False, "gate_entropy": 0.5}
    ),
    "instances": partners(
        {**GATE, "negatives": "all", "anchors": "both", "pairing": "identical", "gated": False}
    ),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


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


def test_partners_are_a_permutation_of_the_valid_rows():
    term = make({**GATE, "negatives": "all"}).terms["term"]
    valid = np.arange(1000) % 3 != 1
    drawn = np.asarray(term.partners(jax.random.key(0), 1000, jnp.asarray(valid)))
    np.testing.assert_array_equal(np.sort(drawn), np.arange(1000))
    assert valid[drawn[valid]].all()
    moved = drawn[valid] - np.flatnonzero(valid)
    assert (moved == 0).sum() < 10  # one is expected
    assert abs(moved.mean()) < 1e-9
    assert np.abs(moved).mean() > 250  # a third of 1000 is expected


def test_keys_of_a_teacher_are_constants_and_have_to_be_there():
    spec = {**GATE, "negatives": "all", "pairing": "identical", "gated": False, "anchors": "both"}
    term = make({**spec, "keys": "teacher"}).terms["term"]
    raws, other = embeddings(PAIR), embeddings(PAIR, seed=1)

    def outputs(raws):
        return {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}

    batch = labels(SIZE)

    @functools.partial(jax.grad, has_aux=True)
    def loss(raws, teacher):
        value, _ = term(outputs(raws), batch, Context(plan=Plan(), teacher=teacher))
        return value, value

    teacher = jax.lax.stop_gradient(outputs(other))
    grads, value = loss(raws, teacher)
    want = 0
    for anchor, key in (PAIR, PAIR[::-1]):
        s = normalize(raws[anchor].astype(float)) @ normalize(other[key].astype(float)).T / 0.3
        want += (np.log(np.exp(s).sum(1)) - np.diag(s)).mean() / 2
    np.testing.assert_allclose(value, want, rtol=2e-6)
    assert all(np.abs(grads[name]).max() > 1e-3 for name in PAIR)
    with pytest.raises(TermError, match=r"no teacher embeds 'b': add it to teacher\.views"):
        loss(raws, {"a": teacher["a"]})
    with pytest.raises(TermError, match="no teacher embeds 'b'"):
        loss(raws, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"negatives": "all", "pairing": "distinct"}, "pairs rows, not classes"),
        ({"gated": False, "gate_entropy": 1.0}, "needs gated=True"),
        ({"gate_entropy": -1.0}, "has to be >= 0"),
    ],
)
def test_options_of_gates_that_cannot_be(options, said):
    with pytest.raises(ConfigError, match=said):
        make({**GATE, **options})


@pytest.mark.parametrize("projection", [(4,), (4, 0)])
def test_a_projection_has_widths(projection):
    with pytest.raises(ConfigError, match="empty or at least two widths"):
        make({**SOFT, "reference": "r", "projection": projection})


def test_a_label_that_is_not_in_the_batch_is_named():
    with pytest.raises(TermError, match="needs 'label' of every example"):
        run({"type": "sup_con", "views": ("a",)}, plan_of("dense", 1, 1), embeddings(("a",)), {})

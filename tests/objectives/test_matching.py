"""Matching with hard negatives: how they are drawn, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases.matching import DIM, ONE, TWO
from flax import nnx
from jitted import drawn as drawn_module
from jitted import jitted, made
from objective_formulas import normalize
from term_harness import make, plan_of, term_key
from tiers import long_but

from mmjax.encoders.base import Encoding
from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, TermError, configs
from mmjax.objectives.sampling import sample
from mmjax.parallel.pairwise import Plan
from mmjax.parallel.volume import span, with_anchors

SIZE = 8


def data(size=SIZE):
    """Tokens of text (3, with padding) and v (2), one pooled vector of a, and embeddings."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=(size, *shape)).astype(np.float32)  # noqa: E731
    tokens = {"t": draw(3, 5), "v": draw(2, 4), "a": draw(3)}
    mask = np.arange(3)[None, :] <= rng.integers(0, 3, size=(size, 1))
    return tokens, mask, {name: draw(DIM) for name in tokens}


def outputs_of(tokens, mask, raws):
    encodings = {
        "t": Encoding(tokens["t"][:, 0], tokens["t"], mask),
        "v": Encoding(tokens["v"][:, 0], tokens["v"]),
        "a": Encoding(tokens["a"]),
    }
    return {n: Embedding(raws[n], unit_norm(raws[n]), e) for n, e in encodings.items()}


def run(spec, plan, tokens, mask, raws, batch, known=None):
    graph, state = nnx.split(made(lambda: make(spec)))
    context = Context(plan=plan, rng=jax.random.key(7), **(known or {}))

    @jax.jit
    def everything(state, tokens, raws):
        def loss(state, tokens, raws):
            return nnx.merge(graph, state)(outputs_of(tokens, mask, raws), batch, context)

        (value, metrics), grads = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(
            state, tokens, raws
        )
        own = dataclasses.replace(context, rng=term_key())
        term = nnx.merge(graph, state).terms["term"]
        return value, metrics, grads, term.negatives(outputs_of(tokens, mask, raws), batch, own)

    return everything(state, tokens, raws), state


def test_one_row_has_no_wrong_pair():
    tokens, mask, raws = data(1)
    (value, metrics, _, _), _ = run(ONE, Plan(), tokens, mask, raws, {"id": np.arange(1)})
    assert np.isfinite(value)
    assert metrics["term/accuracy"] in (0.0, 1.0)


def test_columns_are_drawn_in_proportion_and_alike_on_every_mesh():
    rng = np.random.default_rng(3)
    w = (1.5 * rng.normal(size=(3, 7))).astype(np.float32)
    w[:, 2] = -np.inf
    repeats = 4000
    rows, cols = {"w": np.repeat(w, repeats, axis=0)}, {"place": np.arange(7)}

    def score(x, y, shared):
        return jnp.take(x["w"], y["place"], axis=1)

    split = jax.jit(
        lambda rows: sample(score, rows, cols, None, jax.random.key(0), plan=Plan(tile=3))
    )
    places = split(rows)
    share = np.stack([np.bincount(p, minlength=7) for p in np.reshape(places, (3, repeats))])
    want = np.exp(w) / np.exp(w).sum(1, keepdims=True)
    np.testing.assert_allclose(share / repeats, want, atol=4 * 0.5 / repeats**0.5)
    nothing = {"w": np.full((2, 7), -np.inf, np.float32)}
    assert not np.any(split(nothing))
    mesh = plan_of("dense", 4, 2).mesh
    laid = jax.device_put(rows, jax.sharding.NamedSharding(mesh, jax.P(("data", "fsdp"))))
    np.testing.assert_array_equal(split(laid), places)


@pytest.mark.parametrize(
    "plan", long_but("ring 4 1".__eq__, ["dense 1 1", "ring 4 1", "gather 2 2"])
)
@pytest.mark.parametrize("floor", [0.05, 0.0])
@pytest.mark.parametrize("own_dominates", [True, False])
@pytest.mark.parametrize("spec", [ONE, TWO], ids=["cosine", "volume"])
def test_the_own_one_is_left_out_after_the_floor(spec, own_dominates, floor, plan):
    """Shares of what many keys draw; where the own one has nearly all of the softmax it is even."""
    schedule, *shape = plan.split()
    draws, temperature = 2500, 0.05 if own_dominates else 0.5
    rng = np.random.default_rng(1)
    raws = {name: rng.normal(size=(SIZE, 8)).astype(np.float32) for name in "tva"}
    if own_dominates:
        raws["t"] = raws["v"] + 0.1 * raws["t"]
    unit = {name: normalize(raw.astype(float)) for name, raw in raws.items()}
    score = unit["t"] @ unit["v"].T
    if spec is TWO:
        vectors = [
            [np.stack([t, v, a]) for v, a in zip(unit["v"], unit["a"], strict=True)]
            for t in unit["t"]
        ]
        gram = np.einsum("ijkd,ijld->ijkl", vectors, vectors)
        score = -np.sqrt(np.maximum(np.linalg.det(gram), 0.0))

    absent = np.arange(SIZE) == 5
    tokens, mask, _ = data()
    batch = {"id": np.arange(SIZE), "v_present": ~absent}
    own = {**spec, "temperature": temperature, "floor": floor}
    term = drawn_module(lambda: make(own)).terms["term"]  # no parameter decides what is drawn

    def drawn(key):
        context = Context(plan=plan_of(schedule, *map(int, shape)), rng=key)
        return term.negatives(outputs_of(tokens, mask, raws), batch, context)

    keys = jax.random.split(jax.random.key(0), draws)
    found = jax.jit(lambda keys: jax.lax.map(drawn, keys))(keys)
    for places, s in zip(found, (score, score.T), strict=True):
        p = np.where(absent, 0.0, np.exp(s / temperature))
        p /= p.sum(1, keepdims=True)
        own = np.diag(p)[~absent]
        assert own.min() > 0.98 if own_dominates else own.max() < 0.5
        p += np.where(absent, 0.0, floor)
        np.fill_diagonal(p, 0.0)
        share = np.stack([np.bincount(row, minlength=SIZE) for row in places.T]) / draws
        want = p / p.sum(1, keepdims=True)
        np.testing.assert_allclose(share[~absent], want[~absent], atol=2.25 / draws**0.5)


def test_hard_ones_are_drawn_by_cosine_volume_and_teacher():
    """At a low temperature what is drawn is the highest score of another row."""
    tokens, mask, raws = data(32)
    unit = {name: normalize(raw.astype(float)) for name, raw in raws.items()}
    other = np.where(np.eye(32, dtype=bool), -np.inf, 0)
    taught = {name: np.roll(raw, 1, axis=1) for name, raw in raws.items()}
    keys = {name: normalize(raw.astype(float)) for name, raw in taught.items()}
    tuples = np.float32(np.stack([unit["v"], unit["a"]], axis=1))
    volumes = jax.jit(lambda anchors, tuples: with_anchors(anchors, span(tuples)))
    by_volume = -np.asarray(volumes(np.float32(unit["t"]), tuples))
    teacher = {"teacher": outputs_of(tokens, mask, taught)}
    for spec, known, scores in (
        (ONE, None, (unit["t"] @ unit["v"].T, unit["v"] @ unit["t"].T)),
        ({**ONE, "keys": "teacher"}, teacher, (unit["t"] @ keys["v"].T, unit["v"] @ keys["t"].T)),
        ({**TWO, "floor": 0.0}, None, (by_volume, by_volume.T)),
    ):
        sharp = {**spec, "temperature": 1e-4}
        (_, _, _, drawn), _ = run(sharp, Plan(tile=5), tokens, mask, raws, {}, known)
        for places, score in zip(drawn, scores, strict=True):
            assert (np.asarray(places) == (score + other).argmax(1)).mean() > 0.95


def test_a_temperature_can_be_that_of_the_volume():
    gram = {"type": "gram_volume", "modalities": ("t", "v", "a"), "temperature": 0.3}
    specs = configs({"gram": gram, "match": {**TWO, "temperature": "gram"}})
    terms = made(lambda: Objectives(specs, rngs=nnx.Rngs(0)))
    np.testing.assert_allclose(jitted(terms.terms["gram"], "scale")(), 1 / 0.3, rtol=1e-6)
    tokens, mask, raws = data()

    @jax.jit
    def loss_of(terms, raws, rng):
        return terms(outputs_of(tokens, mask, raws), {}, Context(Plan(), rng=rng))

    loss, _ = loss_of(terms, raws, jax.random.key(0))
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {"t": 5}}, "different views and their widths"),
        ({"conditions": ("v", "a"), "inputs": {"t": 5, "v": 4, "a": 3}}, "use 'volume'"),
        ({"score": "volume", "keys": "teacher"}, "without a teacher"),
        ({"temperature": 0.0}, "temperature' should be at least 1e-15"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make({**ONE, **options})


def test_what_is_missing_is_named():
    tokens, mask, raws = data()
    with pytest.raises(TermError, match="tokens of 't' have 6 numbers, but they have 5: set that"):
        run({**ONE, "inputs": {"t": 6, "v": 4}}, Plan(), tokens, mask, raws, {})
    with pytest.raises(TermError, match="the temperature of 'clip', which is no term"):
        run({**ONE, "temperature": "clip"}, Plan(), tokens, mask, raws, {})


@pytest.mark.parametrize("spec", [ONE, TWO], ids=["cosine", "volume"])
def test_drawing_sends_no_gradient(spec):
    tokens, mask, raws = data()
    (_, _, (_, d_tokens, d_raws), drawn), _ = run(
        spec, Plan(), tokens, mask, raws, {"id": np.arange(SIZE)}
    )
    assert all((np.asarray(places) != np.arange(SIZE)).all() for places in drawn)
    assert all(np.any(d_tokens[name]) for name in spec["inputs"])
    assert all(not np.any(d) for d in d_raws.values())

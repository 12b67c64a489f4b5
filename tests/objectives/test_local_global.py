"""Wholes against a teacher's parts: the formula, padding, grids, and a borrowed temperature."""

import jax
import numpy as np
import pytest
from flax import nnx
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run

from mmjax.encoders.base import Encoding
from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, TermError, configs

DIM = 4
PAIRS = (("a", "b"), ("b", "a@2"))
SPEC = {
    "type": "local_global_nce",
    "pairs": PAIRS,
    "grids": {"a@2": 2},
    "skip": {"b": 1},
    "temperature": 0.3,
}


def parts(size):
    """Tokens of the teacher: a 4 x 4 grid of `a@2`, and 1 + 5 tokens of `b` with padding."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 6, size=size)  # of the locals; some rows have none
    return {
        "grid": rng.normal(size=(size, 16, DIM)).astype(np.float32),
        "words": rng.normal(size=(size, 6, DIM)).astype(np.float32),
        "mask": np.arange(6)[None, :] <= lengths[:, None],
    }


def known(extra):
    def embedding(tokens, mask):
        raw = tokens[:, 0]
        return Embedding(raw, unit_norm(raw), Encoding(raw, tokens, mask), unit_norm(tokens))

    grid, words = embedding(extra["grid"], None), embedding(extra["words"], extra["mask"])
    return {"teacher": {"a@2": grid, "b": words}}


def formula(raws, extra, params):
    scale = np.exp(params["temperature/log_scale"])
    grid = normalize(extra["grid"].astype(float)).reshape(-1, 2, 2, 2, 2, DIM).mean((2, 4))
    locals_of = {
        "a@2": (grid.reshape(len(grid), 4, DIM), np.ones((len(grid), 4), bool)),
        "b": (normalize(extra["words"].astype(float))[:, 1:], extra["mask"][:, 1:]),
    }
    total = 0
    for whole, part in PAIRS:
        g, (parts, real) = normalize(raws[whole]), locals_of[part]
        size = len(g)
        for i in range(size):
            own = scale * parts[i] @ g[i]
            others = np.array([k != i for k in range(size)])[:, None] & real
            s = scale * np.einsum("kjd,d->kj", parts, g[i])
            if not real[i].any():
                continue
            if others.any():
                lse = logsumexp(s, others)
                both = np.stack([own, np.full(own.shape, lse)], axis=1)
                terms = logsumexp(both, np.ones(both.shape, bool), 1) - own
            else:
                terms = 0 * own
            total = total + (terms * real[i]).sum() / real[i].sum() / size / len(PAIRS)
    return total


CASES = {"local_global": Case(SPEC, ("a", "b"), formula, parts, known=known)}


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_equals_the_formula(plan):
    CASES["local_global"].check(plan)


def test_absent_rows_enter_nothing():
    """With pairs that need both modalities."""
    spec = {**SPEC, "pairs": PAIRS[:1], "grids": None}

    def first(raws, extra, params):
        raws = {"a": raws["a"], "b": np.ones_like(raws["b"])}
        return 2 * (formula(raws, extra, params) - second(raws, extra, params))

    def second(raws, extra, params):
        """The part of `formula` of the other pair, in which the first one's is 0."""
        nothing = {**extra, "mask": np.zeros_like(extra["mask"])}
        return formula(raws, nothing, params)

    Case(spec, ("a", "b"), first, parts, known=known).check_absent()


def test_one_row_has_no_negatives():
    CASES["local_global"].check_one_row()


def test_a_temperature_can_be_another_terms():
    raws, extra = embeddings(("a", "b"), SIZE, DIM), parts(SIZE)
    plan = plan_of("dense", 1, 1)
    own = run({**SPEC, "temperature": 0.05}, plan, raws, {"id": np.arange(SIZE)}, known(extra))
    clip = {"type": "info_nce", "pairs": (("a", "b"),), "temperature": 0.05}
    graph, state = nnx.split(
        Objectives(
            configs({"clip": {**clip, "weight": 0.0}, "term": {**SPEC, "temperature": "clip"}}),
            rngs=nnx.Rngs(0),
        )
    )

    def loss(state):
        outputs = {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}
        context = Context(plan=plan, **known(extra))
        return nnx.merge(graph, state)(outputs, {"id": np.arange(SIZE)}, context)[0]

    value, gradient = jax.value_and_grad(loss)(state)
    np.testing.assert_allclose(value, own[0], rtol=1e-6)
    flat = {"/".join(map(str, path)): v[...] for path, v in nnx.to_flat_state(gradient)}
    assert list(flat) == ["terms/clip/temperature/log_scale"]
    np.testing.assert_allclose(flat.popitem()[1], own[2]["temperature/log_scale"], rtol=1e-5)


def test_what_is_missing_is_named():
    raws, plan = embeddings(("a", "b"), 4, DIM), plan_of("dense", 1, 1)
    fields = known(parts(4))
    with pytest.raises(TermError, match="the temperature of 'clip', which is no term"):
        run({**SPEC, "temperature": "clip"}, plan, raws, {}, fields)
    with pytest.raises(TermError, match=r"'a@2' has 16 tokens, which are no square grid that 3"):
        run({**SPEC, "grids": {"a@2": 3}}, plan, raws, {}, fields)
    with pytest.raises(TermError, match="have padding"):
        run({**SPEC, "grids": {"b": 1}}, plan, raws, {}, fields)
    bare = {name: e._replace(tokens=None) for name, e in fields["teacher"].items()}
    with pytest.raises(TermError, match=r"tokens of 'b' in the joint space.*tokens=True"):
        run(SPEC, plan, raws, {}, {"teacher": bare})
    with pytest.raises(ConfigError, match=r"skip=\{'c': 1\}"):
        make({**SPEC, "skip": {"c": 1}})

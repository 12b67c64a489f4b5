"""Wholes against a teacher's parts: a borrowed temperature, and what is missing."""

import jax
import numpy as np
import pytest
from cases.local_global import DIM, SPEC, known, parts
from flax import nnx
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, TermError, configs


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

    @jax.jit
    @jax.value_and_grad
    def loss(state):
        outputs = {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}
        context = Context(plan=plan, **known(extra))
        return nnx.merge(graph, state)(outputs, {"id": np.arange(SIZE)}, context)[0]

    value, gradient = loss(state)
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

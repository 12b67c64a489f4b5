"""Terms that need unit vectors say so when they are given others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, TermError, configs
from mmjax.parallel.pairwise import Plan

CONTEXT = Context(plan=Plan())
BATCH = {"id": np.arange(4)}


def embedded(scale=1.0, dtype=jnp.float32):
    raw = jnp.asarray(np.random.default_rng(0).normal(size=(4, 7)), jnp.float32)
    return Embedding(raw, (unit_norm(raw) * scale).astype(dtype))


def loss(type, outputs, batch=BATCH):
    return Objectives(configs({type: {"type": type}}), rngs=nnx.Rngs(0))(outputs, batch, CONTEXT)[0]


@pytest.mark.parametrize(
    "type", ["info_nce", "sigmoid", "uniformity", "cross_uniformity", "alignment"]
)
def test_other_lengths_are_refused(type):
    outputs = {"image": embedded(), "text": embedded(jnp.array([[1], [1], [3], [1]]))}
    message = rf"'{type}' needs unit vectors, but row 2 of 'text' has length 3: .*unit_norm"
    with pytest.raises(TermError, match=message):
        loss(type, outputs)


def test_what_is_not_an_embedding_is_refused_before_compilation():
    x = jax.ShapeDtypeStruct((4, 7), jnp.float32)
    with pytest.raises(TermError, match=r"needs 'unit' embeddings of 'text', but .*: give it the"):
        jax.eval_shape(lambda x: loss("info_nce", {"image": Embedding(x, x), "text": x}), x)


def test_rounded_absent_and_zero_rows_are_not():
    broken = embedded(jnp.array([[1], [1], [3], [0]]))
    outputs = {"image": embedded(dtype=jnp.bfloat16), "text": broken}
    present = {"text_present": np.array([True, True, False, True])}
    assert np.isfinite(loss("info_nce", outputs, BATCH | present))

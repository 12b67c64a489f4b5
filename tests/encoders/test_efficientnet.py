"""EfficientNet-Lite: published sizes; its parity is in tests/checkpoints."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from mmjax.encoders import EfficientNetLite, EncoderError, parameter_count
from mmjax.encoders.efficientnet import plan


def abstract(variant):
    return nnx.eval_shape(
        lambda: EfficientNetLite(variant=variant, dtype=jnp.float32, rngs=nnx.Rngs(0))
    )


def test_published_sizes():
    # Lite0: 4,652,008 with the classifier of 1,000 classes.
    assert parameter_count(abstract(0)) == 4_652_008 - (1280 * 1000 + 1000)
    assert len(plan(0)) == 16
    assert len(plan(4)) > len(plan(0))
    assert plan(4)[-1][1] == 448


def test_statistics_do_not_move_in_training():
    encoder = abstract(0)
    graph, state = nnx.split(encoder)

    def run(state, x):
        module = nnx.merge(graph, state)
        return module(x, train=True).pooled, nnx.split(module)[1]

    pooled, after = jax.eval_shape(run, state, jnp.zeros((2, 64, 64, 3)))
    assert pooled.shape == (2, 1280)
    jaxpr = jax.make_jaxpr(run)(
        jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), state), jnp.zeros((1, 32, 32, 3))
    )
    # A statistic that goes in comes out as it is.
    passed = set(map(id, jaxpr.jaxpr.invars))
    outs = [id(v) for v in jaxpr.jaxpr.outvars[1:]]
    assert len(outs) == len(jax.tree.leaves(after))
    assert all(out in passed for out in outs)


def test_what_it_refuses():
    with pytest.raises(EncoderError, match="variants 0 to 4"):
        EfficientNetLite(variant=5, dtype=jnp.float32, rngs=nnx.Rngs(0))
    with pytest.raises(EncoderError, match=r"where \[B, H, W, 3\] is expected"):
        abstract(0)(jnp.zeros((1, 32, 32, 1)))

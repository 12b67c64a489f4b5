"""Quantizing heads: exact codes, straight-through gradients, one table for several towers."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders import MLP
from mmjax.model.codebook import codebooks
from mmjax.model.heads import HEADS
from mmjax.model.towers import Tower

X = jnp.asarray(np.random.default_rng(0).normal(size=(9, 6)), jnp.float32)


def tower(**spec):
    rngs = nnx.Rngs(0)
    encoder = MLP(inputs=6, hidden=(), width=5, dtype=jnp.float32, rngs=rngs)
    return Tower(encoder, HEADS.spec(**spec).build(width=5, dtype=jnp.float32, rngs=rngs))


def test_lookup_free_codes_are_signs_with_the_gradient_of_what_they_are_of():
    module = tower(type="lfq", dim=7)
    found = module(X)
    z = np.asarray(found.quantized.continuous)
    np.testing.assert_array_equal(found.raw, np.where(z > 0, 1, -1))
    assert np.abs(z).max() < 1
    cotangent = jnp.asarray(np.random.default_rng(1).normal(size=(9, 7)), jnp.float32)

    def through(x, what):
        e = module(x)
        return ((e.raw if what == "raw" else e.quantized.continuous) * cotangent).sum()

    np.testing.assert_allclose(
        jax.grad(through)(X, "raw"), jax.grad(through)(X, "continuous"), rtol=1e-6
    )


def test_vector_quantization_takes_the_nearest_code_of_a_shared_table():
    module, other = (tower(type="vq", dim=3, codes=11) for _ in range(2))
    shared = codebooks([module.head, other.head], nnx.Rngs(1))
    assert list(shared) == ["codebook"]
    table = np.asarray(shared["codebook"].table[...])
    found = module(X, shared=shared)
    z = np.asarray(found.quantized.continuous, np.float64)
    nearest = ((z[:, None] - table) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(found.raw, table[nearest])
    assert len(set(nearest.tolist())) > 1

    def of_table(table, what):
        own = codebooks([module.head], nnx.Rngs(1))
        own["codebook"].table[...] = table
        e = module(X, shared=own)
        return (e.raw if what == "raw" else e.quantized.nearest).sum()

    assert not np.asarray(jax.grad(of_table)(jnp.asarray(table), "raw")).any()
    counts = np.bincount(nearest, minlength=11)
    gradient = jax.grad(of_table)(jnp.asarray(table), "nearest")
    np.testing.assert_allclose(gradient, np.repeat(counts[:, None], 3, 1))

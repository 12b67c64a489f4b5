"""The residual MLP against its formula in float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy.special import erf

from mmjax.encoders import ResidualMLP


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def test_equals_the_formula():
    encoder = ResidualMLP(
        inputs=5, hidden=8, depth=2, tokens=3, width=4, projector=(6, 7), dtype=jnp.float32,
        rngs=nnx.Rngs(0),
    )  # fmt: skip
    for i, value in enumerate(jax.tree.leaves(nnx.state(encoder, nnx.Param), is_leaf=is_param)):
        value[...] = value[...] + 0.2 * jax.random.normal(jax.random.key(i), value.shape)

    def linear(module, x):
        return x @ np.asarray(module.kernel[...], float) + np.asarray(module.bias[...], float)

    def norm(module, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * np.asarray(module.scale[...], float) + np.asarray(module.bias[...], float)

    x = np.random.default_rng(1).normal(size=(6, 5))
    found = encoder(jnp.asarray(x, jnp.float32))
    layers = zip(encoder.layers, encoder.norms, strict=True)
    for i, (layer, own) in enumerate(layers):
        y = gelu(norm(own, linear(layer, x)))
        x = x + y if i else y
    x = linear(encoder.out, x).reshape(6, 3, 4)
    for layer, own in zip(encoder.projector, encoder.projector_norms, strict=True):
        x = linear(layer, gelu(norm(own, x)))
    np.testing.assert_allclose(found.tokens, x, atol=2e-5)
    np.testing.assert_array_equal(found.pooled, np.asarray(found.tokens).reshape(6, 12))


def is_param(x):
    return isinstance(x, nnx.Param)

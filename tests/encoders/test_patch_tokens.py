"""Patches against a loop over them, and what is missing of a signal."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders import PatchTokens


def test_patches_are_products_with_one_matrix():
    rng = np.random.default_rng(0)
    of = PatchTokens(patch=(2, 3), channels=2, width=5, dtype=jnp.float32, rngs=nnx.Rngs(0))
    x = rng.normal(size=(2, 4, 6, 2)).astype(np.float32)
    found = of(jnp.asarray(x))
    layer = of.stem.project
    kernel, bias = (np.asarray(each[...], np.float64) for each in (layer.kernel, layer.bias))
    want = [
        x[:, i : i + 2, j : j + 3].reshape(2, -1) @ kernel + bias for i in (0, 2) for j in (0, 3)
    ]
    np.testing.assert_allclose(found.tokens, np.stack(want, 1), atol=1e-5)
    np.testing.assert_allclose(found.pooled, np.mean(want, axis=0), atol=1e-5)


def test_a_signal_that_ends_early_is_as_if_it_were_short():
    of = PatchTokens(patch=(4,), channels=3, width=5, dtype=jnp.float32, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).normal(size=(1, 10, 3)).astype(np.float32)
    short = of(jnp.asarray(x[:, :6]))
    x[:, 6:] = np.nan
    found = of(jnp.asarray(x))
    np.testing.assert_array_equal(found.mask, [[True, True, False]])
    np.testing.assert_allclose(found.pooled, short.pooled, atol=1e-6)
    np.testing.assert_allclose(found.tokens[:, :2], short.tokens, atol=1e-6)


def test_patches_with_a_stride_overlap():
    """Every one begins a stride after the last, and the last ones end in zeros."""
    of = PatchTokens(
        patch=(4, 3), stride=(2, 3), channels=2, width=5, dtype=jnp.float32, rngs=nnx.Rngs(0)
    )
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 2)).astype(np.float32)
    found = of(jnp.asarray(x))
    layer, padded = of.stem.project, np.pad(x, ((0, 0), (0, 3), (0, 0), (0, 0)))
    kernel, bias = (np.asarray(each[...], np.float64) for each in (layer.kernel, layer.bias))
    want = [
        padded[:, i : i + 4, j : j + 3].reshape(2, -1) @ kernel + bias
        for i in (0, 2, 4, 6)
        for j in (0, 3)
    ]
    np.testing.assert_allclose(found.tokens, np.stack(want, 1), atol=1e-5)
    assert found.mask.all()

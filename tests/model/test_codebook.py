"""Sparsemax, maxima over tokens, and a codebook that two towers share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import EncoderError, Encoding
from mmjax.encoders.tokens import TokenMLP, pool_tokens
from mmjax.model.codebook import CodebookHead, TokenHead, codebooks, max_product, sparsemax


def head(**options):
    spec = {"codes": 7, "dim": 4, "temperature": 0.5, "width": 5, "dtype": jnp.float32}
    return CodebookHead(**{**spec, **options}, rngs=nnx.Rngs(0))


def tokens(rows=6, length=3, width=5, seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, length)) < 0.7
    mask[:, 0] = True
    values = rng.normal(size=(rows, length, width)).astype(np.float32)
    return Encoding(jnp.zeros((rows, width)), jnp.asarray(values), jnp.asarray(mask))


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 9)).astype(np.float32) * np.float32([[0.1]] * 10 + [[3]] * 10)
    p = np.asarray(sparsemax(jnp.asarray(z)))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert p.min() >= 0
    # Optimality: z - p is one number tau on the support, and not more than it outside.
    for row, point in zip(z, p, strict=True):
        on = point > 0
        tau = (row - point)[on]
        np.testing.assert_allclose(tau, tau[0], atol=1e-5)
        assert (row[~on] <= tau[0] + 1e-5).all()
    np.testing.assert_allclose(sparsemax(jnp.asarray([[5.0, 0.0]])), [[1, 0]])
    np.testing.assert_allclose(sparsemax(jnp.zeros((1, 4))), np.full((1, 4), 0.25))


def test_derivatives_equal_those_of_the_plain_formulas():
    z = jnp.asarray(np.random.default_rng(1).normal(size=(4, 6)), jnp.float32)
    g = jnp.asarray(np.random.default_rng(2).normal(size=(4, 6)), jnp.float32)
    (pulled,) = jax.vjp(sparsemax, z)[1](g)
    step = 1e-3
    for i, j in np.ndindex(4, 6):
        up, down = (sparsemax(z.at[i, j].add(s)) for s in (step, -step))
        np.testing.assert_allclose(pulled[i, j], ((up - down) * g).sum() / 2 / step, atol=2e-2)

    encoding = tokens(width=4)
    table = jnp.asarray(np.random.default_rng(3).normal(size=(7, 4)), jnp.float32)

    def plain(q, c, mask):
        s = jnp.where(mask[:, :, None], jnp.einsum("btd,kd->btk", q, c), -jnp.inf)
        return s.max(1)

    args = (encoding.tokens, table)
    ours, pull = jax.vjp(lambda q, c: max_product(q, c, encoding.mask), *args)
    theirs, expected = jax.vjp(lambda q, c: plain(q, c, encoding.mask), *args)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    cotangent = jnp.asarray(np.random.default_rng(4).normal(size=ours.shape), jnp.float32)
    for a, b in zip(pull(cotangent), expected(cotangent), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_row_without_tokens_gives_zero_and_no_gradient():
    q, c = jnp.ones((2, 3, 4)), jnp.ones((5, 4))
    mask = jnp.asarray([[True] * 3, [False] * 3])
    value, pull = jax.vjp(lambda q: max_product(q, c, mask), q)
    np.testing.assert_array_equal(value[1], 0)
    np.testing.assert_array_equal(pull(jnp.ones((2, 5)))[0][1], 0)
    np.testing.assert_array_equal(pool_tokens(q, mask, "max")[1], 0)


@pytest.mark.parametrize("activation", ["sparsemax", "softmax", "sigmoid"])
@pytest.mark.parametrize("pool", ["max", "mean", "sum"])
def test_an_example_is_a_convex_combination_of_codes_and_padding_does_not_count(activation, pool):
    module = head(activation=activation, pool=pool)
    shared = codebooks([module], nnx.Rngs(1))
    encoding = tokens()
    table = shared["codebook"].table[...]
    a = module.weights(encoding, table)
    np.testing.assert_allclose(a.sum(1), 1, rtol=1e-5)
    assert (np.asarray(a) >= 0).all()
    np.testing.assert_allclose(module(encoding, shared), a @ table, rtol=1e-5, atol=1e-6)
    noisy = jnp.where(encoding.mask[:, :, None], encoding.tokens, 99.0)
    np.testing.assert_allclose(
        module(encoding._replace(tokens=noisy), shared), a @ table, rtol=1e-5, atol=1e-6
    )


def test_heads_of_one_name_share_one_codebook():
    both = codebooks([head(), head()], nnx.Rngs(0))
    assert list(both) == ["codebook"]
    assert both["codebook"].table.shape == (7, 4)
    assert set(codebooks([head(), head(codebook="other")], nnx.Rngs(0))) == {"codebook", "other"}
    with pytest.raises(EncoderError, match="heads that share it need equal sizes"):
        codebooks([head(), head(codes=8)], nnx.Rngs(0))
    with pytest.raises(EncoderError, match="reads tokens"):
        head()(Encoding(jnp.zeros((2, 5))), both)


def test_tokens_are_encoded_by_themselves_and_zeros_are_padding():
    encoder = TokenMLP(inputs=5, width=3, dtype=jnp.float32, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    x[1, 2:] = 0
    encoding = encoder(jnp.asarray(x))
    np.testing.assert_array_equal(encoding.mask, [[True] * 4, [True, True, False, False]])
    short = encoder(jnp.asarray(x[1:, :2]))
    np.testing.assert_allclose(encoding.pooled[1], short.pooled[0], rtol=1e-6)
    np.testing.assert_allclose(encoding.tokens[1, :2], short.tokens[0], rtol=1e-6)
    top = TokenHead(dim=4, width=3, dtype=jnp.float32, rngs=nnx.Rngs(0))(encoding, {})
    assert top.shape == (2, 4)
    with pytest.raises(EncoderError, match=r"\[B, T, 5\] is expected"):
        encoder(jnp.zeros((2, 5)))

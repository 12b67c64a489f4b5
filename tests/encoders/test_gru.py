"""The character GRU against its equations in float64, and what padding may not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import EncoderError, TextGRU

OPTIONS = {"vocab_size": 12, "length": 9, "embedding": 4, "hidden": 5, "attention": 3, "heads": 2}


@pytest.fixture(scope="module")
def module():
    graphdef, state = nnx.split(nnx.eval_shape(lambda: build()))
    rng = np.random.default_rng(0)
    drawn = [
        (p, v.replace(jnp.asarray(0.5 * rng.normal(size=v.shape), jnp.float32)))
        for p, v in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(drawn))


def build(**changes):
    return TextGRU(**{**OPTIONS, **changes}, dtype=jnp.float32, rngs=nnx.Rngs(0))


def ids(rows=4, length=9, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(4, 12, (rows, length), dtype=np.int32)
    for i, end in enumerate(rng.integers(1, length, rows)):
        x[i, end:] = 0
    return x


def numpy_gru(w, x, steps):
    """States of one row, float64[T, H], of the steps in this order."""
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    size = w["state_kernel"].shape[0]
    h, states = np.zeros(size), np.zeros((len(x), size))
    for t in steps:
        given = x[t] @ w["input_kernel"] + w["input_bias"]
        own = h @ w["state_kernel"] + w["state_bias"]
        r = sigmoid(given[:size] + own[:size])
        z = sigmoid(given[size : 2 * size] + own[size : 2 * size])
        h = (1 - z) * np.tanh(given[2 * size :] + r * own[2 * size :]) + z * h
        states[t] = h
    return states


def expected(module, x):
    flat = {
        "/".join(map(str, p)): np.asarray(v[...], np.float64)
        for p, v in nnx.to_flat_state(nnx.split(module)[1])
    }
    of = lambda part: {k.split("/")[1]: v for k, v in flat.items() if k.startswith(part)}  # noqa: E731
    tokens, pooled = [], []
    for row in x:
        real = np.flatnonzero(row)
        embedded = flat["token"][row]
        states = np.concatenate(
            [
                numpy_gru(of("forward_gru/"), embedded, real),
                numpy_gru(of("backward_gru/"), embedded, real[::-1]),
            ],
            axis=1,
        )
        hidden = np.tanh(states[real] @ flat["score/kernel"] + flat["score/bias"])
        heads = []
        for n in range(2):
            scores = hidden[:, 3 * n : 3 * n + 3] @ flat["weigh"][n] + flat["weigh_bias"][n]
            weights = np.exp(scores) / np.exp(scores).sum(0)
            heads.append((weights * states[real]).sum(0))
        tokens.append(states)
        pooled.append(np.concatenate(heads))
    return np.stack(pooled), np.stack(tokens)


@pytest.mark.smoke
def test_equals_the_equations(module):
    x = ids()
    out = jax.jit(lambda x: module(x))(x)
    pooled, tokens = expected(module, x)
    assert out.pooled.shape == (4, module.width)
    np.testing.assert_allclose(out.pooled, pooled, atol=2e-6)
    np.testing.assert_allclose(out.tokens, tokens, atol=2e-6)
    np.testing.assert_array_equal(out.mask, x != 0)
    # More padding changes nothing, and what it holds is not seen.
    short = jax.jit(lambda x: module(x))(x[:, : (x != 0).sum(1).max()])
    np.testing.assert_allclose(short.pooled, pooled, atol=2e-6)


def test_gradients_are_finite_and_reach_every_parameter(module):
    graphdef, params = nnx.split(module)
    x = ids()
    x[1] = 0  # no text at all

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: (nnx.merge(graphdef, p)(x).pooled ** 2).sum())(params)

    for path, g in nnx.to_flat_state(gradient(params)):
        assert np.isfinite(g[...]).all(), path
        assert np.any(g[...]), path
    assert not np.any(jax.jit(lambda x: module(x).pooled)(x)[1])


def test_bfloat16_and_errors(module):
    graphdef, _ = nnx.split(
        nnx.eval_shape(lambda: TextGRU(**OPTIONS, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    )
    rough = jax.jit(lambda s, x: nnx.merge(graphdef, s)(x).pooled)(nnx.split(module)[1], ids())
    assert rough.dtype == jnp.bfloat16
    exact = expected(module, ids())[0]
    assert np.abs(np.asarray(rough, np.float64) - exact).max() < 0.05 * np.abs(exact).max() + 0.02
    with pytest.raises(EncoderError, match=r"text of 10 tokens for an encoder of length=9"):
        module(ids(length=10))
    with pytest.raises(EncoderError, match=r"where i32\[B, T\] is needed"):
        module(jnp.ones((2, 3)))
    with pytest.raises(EncoderError, match="hidden=0"):
        build(hidden=0)

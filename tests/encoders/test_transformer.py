"""Attention, blocks and the stack against their formulas in float64; scan, remat."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import jitted, made

from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import ACTIVATIONS, Attention
from mmjax.encoders.positions import interpolate, sincos
from mmjax.encoders.transformer import REMAT_POLICIES, Transformer

KEEP = np.random.default_rng(1).random((3, 5)) < 0.6
KEEP[:, 0] = True


def stack(**options):
    """A transformer whose biases and scales are not zero and one, under jit."""

    def construct():
        return Transformer(
            **{"width": 8, "depth": 3, "heads": 2, **options}, dtype=jnp.float32, rngs=nnx.Rngs(0)
        )

    graphdef, state = nnx.split(nnx.eval_shape(construct))
    rng = np.random.default_rng(0)
    state = jax.tree.map(lambda x: rng.normal(0.2, 0.4, x.shape).astype(x.dtype), state)
    return nnx.merge(graphdef, state)


def values(seed=0, shape=(3, 5, 8)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def arrays(module):
    return {
        "/".join(map(str, path)): np.asarray(v[...], np.float64)
        for path, v in nnx.to_flat_state(nnx.split(module)[1])
    }


def attention(p, q, kv, heads, allowed):
    """Vaswani et al. 2017, equation 1, by loops; `allowed` bool[B, T, S]."""
    query, key, value = (
        y @ p[f"{name}/kernel"] + p[f"{name}/bias"]
        for name, y in (("query", q), ("key", kv), ("value", kv))
    )
    out = np.zeros_like(query)
    size = query.shape[-1] // heads
    for b in range(len(q)):
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            score = query[b, :, part] @ key[b, :, part].T / math.sqrt(size)
            weight = np.where(allowed[b], np.exp(score), 0)
            out[b, :, part] = weight / weight.sum(axis=1, keepdims=True) @ value[b, :, part]
    return out @ p["out/kernel"] + p["out/bias"]


def norm(p, x, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * p["scale"] + p["bias"]


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


FORMULAS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": gelu,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def reference(module, x, *, order, activation, allowed, eps=1e-6):
    """`depth` blocks and the final norm, as their docstrings write them."""
    every = arrays(module)

    def under(prefix, i=None):
        found = {k[len(prefix) :]: v for k, v in every.items() if k.startswith(prefix)}
        return found if i is None else {k: v[i] for k, v in found.items()}

    def mlp(p, y):
        y = y @ p["up/kernel"] + p["up/bias"]
        if activation == "swiglu":
            gate, y = np.split(y, 2, axis=-1)
            y = FORMULAS["silu"](gate) * y
        else:
            y = FORMULAS[activation](y)
        return y @ p["down/kernel"] + p["down/bias"]

    x = np.asarray(x, np.float64)
    for i in range(3):
        attend = under("blocks/attention/", i)
        n1, n2, feed = (under(f"blocks/{n}/", i) for n in ("attention_norm", "mlp_norm", "mlp"))
        s1, s2 = (every.get(f"blocks/{n}_scale/scale") for n in ("attention", "mlp"))
        s1, s2 = (1 if s is None else s[i] for s in (s1, s2))
        if order == "pre":
            y = norm(n1, x, eps)
            x = x + s1 * attention(attend, y, y, 2, allowed)
            x = x + s2 * mlp(feed, norm(n2, x, eps))
        else:
            x = norm(n1, x + s1 * attention(attend, x, x, 2, allowed), eps)
            x = norm(n2, x + s2 * mlp(feed, x), eps)
    return norm(under("norm/"), x, eps)


@pytest.mark.parametrize(
    ("order", "activation", "causal", "layer_scale"),
    [
        ("pre", "gelu", False, None),
        ("pre", "quick_gelu", True, None),
        ("pre", "swiglu", False, 0.3),
        ("post", "gelu_tanh", False, None),
        ("post", "relu", True, 0.3),
    ],
)
def test_stack_equals_its_formula(order, activation, causal, layer_scale):
    module = stack(norm=order, activation=activation, layer_scale=layer_scale)
    x = values()
    allowed = np.broadcast_to(KEEP[:, None, :], (3, 5, 5))
    if causal:
        allowed = allowed & np.tril(np.ones((5, 5), bool))
    found = jax.jit(module.__call__, static_argnames="causal")(
        x, mask=jnp.asarray(KEEP), causal=causal
    )
    expected = reference(module, x, order=order, activation=activation, allowed=allowed)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_cross_attention_equals_its_formula():
    init = initialization("clip", width=8, depth=1)
    module = made(
        lambda: Attention(width=8, heads=4, init=init, dtype=jnp.float32, rngs=nnx.Rngs(0))
    )
    q, kv = values(1, (3, 2, 8)), values(2)
    allowed = np.broadcast_to(KEEP[:, None, :], (3, 2, 5))
    expected = attention(arrays(module), np.float64(q), np.float64(kv), 4, allowed)
    np.testing.assert_allclose(jitted(module)(q, kv, mask=KEEP), expected, atol=1e-5)


def test_a_row_without_a_real_position_is_finite():
    module = stack()
    mask = jnp.asarray(np.array([[True] * 5, [False] * 5, [True, False] * 2 + [True]]))

    def loss(x):
        return jnp.sum(module(x, mask=mask) ** 2 * mask[:, :, None])

    value, slope = jax.jit(jax.value_and_grad(loss))(values())
    assert np.isfinite(value)
    assert np.all(np.isfinite(slope))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_equal_their_formulas(name):
    x = np.linspace(-9, 9, 101)
    found = jax.jit(ACTIVATIONS[name])(np.float32(x))
    np.testing.assert_allclose(found, FORMULAS[name](x), atol=2e-6)


def gradient(key=None, **options):
    module = stack(drop_path=0.4, dropout=0.2, **options)
    graphdef, state = nnx.split(module)

    @jax.jit
    def run(state, x):
        def loss(state):
            rngs = nnx.Rngs(dropout=jax.random.key(3))
            y = nnx.merge(graphdef, state)(x, mask=jnp.asarray(KEEP), train=True, rngs=rngs)
            return jnp.sum(y * jnp.linspace(-1, 1, y.size).reshape(y.shape))

        return jax.value_and_grad(loss)(state)

    return run(state, values())


@pytest.fixture(scope="module")
def plain():
    """What the scanned stack computes that keeps everything."""
    return gradient()


@pytest.mark.parametrize(
    "options",
    [{"scan": False}]
    + [{"remat": r} for r in sorted(REMAT_POLICIES)]
    + [{"scan": False, "remat": "full"}],
)
def test_scan_and_remat_change_no_number(plain, options):
    other, others = gradient(**options)
    np.testing.assert_allclose(other, plain[0], rtol=1e-5)
    # Of the largest gradient of all: those of the keys' biases are nothing but rounding errors.
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(plain[1]))
    for a, b in zip(jax.tree.leaves(plain[1]), jax.tree.leaves(others), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6 * largest)


def test_a_scanned_stack_does_not_grow_the_program():
    def size(depth, scan):
        module = stack(depth=depth, scan=scan)
        text = jax.jit(lambda m, x: m(x)).lower(module, values()).as_text()
        return text.count("dot_general")

    assert size(12, True) == size(2, True)
    assert size(12, False) == 6 * size(2, False)


@pytest.mark.parametrize("remat", sorted(REMAT_POLICIES))
def test_remat_keeps_less_for_the_backward_pass(remat):
    def kept(remat):
        module = stack(remat=remat, depth=4)
        x = values(shape=(8, 16, 8))
        _, pullback = jax.vjp(jax.jit(module.__call__), x)
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    assert kept(remat) < kept("none")


def test_sincos_positions_are_the_published_ones():
    width = 8
    found = sincos((2, 3), width)
    for row in range(2):
        for column in range(3):
            for k in range(2):
                w = 10_000.0 ** (-k / (width // 4 - 1))
                position = found[row * 3 + column]
                expected = [
                    math.sin(column * w),
                    math.cos(column * w),
                    math.sin(row * w),
                    math.cos(row * w),
                ]
                np.testing.assert_allclose(position[k::2], expected, atol=1e-6)


def test_learned_positions_go_to_another_grid():
    ramp = np.mgrid[:6, :8].reshape(2, -1).T.astype(np.float32)
    table = np.concatenate([np.full((1, 2), 7.0, np.float32), ramp])
    new = np.asarray(jax.jit(lambda table: interpolate(table, (6, 8), (12, 16), prefix=1))(table))
    assert new.shape == (1 + 12 * 16, 2)
    np.testing.assert_array_equal(new[0], 7.0)
    inside = new[1:].reshape(12, 16, 2)[4:-4, 4:-4]
    expected = (np.mgrid[4:8, 4:12].transpose(1, 2, 0) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(inside, expected, atol=1e-5)
    np.testing.assert_array_equal(interpolate(table, (6, 8), (6, 8), prefix=1), table)
    with pytest.raises(ValueError, match="49 positions are not 0 \\+ 6 x 8"):
        interpolate(table, (6, 8), (3, 4))

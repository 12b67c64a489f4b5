"""Sparsemax, maxima over tokens, and a codebook that two towers share.

Values and derivatives are those of the formulas below, written in float64 from the paper; their
derivative is the complex step, exact, so that they avoid abs, max and conj of what is not real.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType
from jitted import drawn, jitted, made
from scipy.special import erf

from mmjax.encoders import BagOfTokens, EncoderError, Encoding
from mmjax.encoders.tokens import TokenMLP, pool_tokens
from mmjax.model.codebook import CodebookHead, TokenHead, codebooks, max_product, sparsemax


def simplex(m, activation="sparsemax"):
    """Rows on the simplex; of sparsemax by the sorting of Martins and Astudillo."""
    if activation != "sparsemax":
        a = np.exp(m) if activation == "softmax" else 1 / (1 + np.exp(-m))
        return a / a.sum(-1, keepdims=True)
    rows = []
    for z in m:
        down = z[np.argsort(-z.real)]
        k = max(j for j in range(1, len(z) + 1) if 1 + j * down[j - 1].real > down[:j].sum().real)
        rest = z - (down[:k].sum() - 1) / k
        rows.append(np.where(rest.real > 0, rest, 0))
    return np.stack(rows)


def pooled(x, mask, pool):
    """f[B, T, N] -> f[B, N] over tokens that are there, of which every row has one."""
    if pool == "max":
        first = np.where(mask[:, :, None], x.real, -np.inf).argmax(1)
        return np.take_along_axis(x, first[:, None], 1)[:, 0]
    total = np.where(mask[:, :, None], x, 0).sum(1)
    return total if pool == "sum" else total / mask.sum(1)[:, None]


def layer_norm(x, p, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    return x * p[f"query/{name}/scale"] + p[f"query/{name}/bias"]


def queries(tokens, p):
    """Layer norm, linear, GELU, layer norm, linear."""
    x = layer_norm(tokens, p, "first_norm") @ p["query/first/kernel"] + p["query/first/bias"]
    x = layer_norm(x * (1 + erf(x / np.sqrt(2))) / 2, p, "second_norm")
    return x @ p["query/second/kernel"] + p["query/second/bias"]


def rewritten(
    p, mask, *, temperature, activation="sparsemax", pool="max", skip=0, query="map", output=None
):
    """f = a C, or a, with r = q C^T / (D^1/2 T), pooled over tokens; a on the simplex, or log1p."""
    tokens, c = p["tokens"][:, skip:], p["table"]
    q = tokens if query == "none" else queries(tokens, p)
    q = q + tokens if query == "residual" else q
    m = pooled(q @ c.T / np.sqrt(c.shape[1]) / temperature, mask[:, skip:], pool)
    if activation == "log1p":
        a = np.log(1 + np.where(m.real > 0, m, 0))
    else:
        a = simplex(m, activation)
    return a if output == "codes" else a @ c


def projected(p, mask, *, pool="max", skip=0):
    return pooled(queries(p["tokens"][:, skip:], p), mask[:, skip:], pool) @ p["project/kernel"]


def derivatives(formula, p):
    """{name: d formula / d p[name]} of a formula with one real number as its value."""
    found = {}
    for name in p:
        found[name] = np.zeros(p[name].shape)
        for index in np.ndindex(p[name].shape):
            moved = p[name].astype(complex)
            moved[index] += 1e-30j
            found[name][index] = formula({**p, name: moved}).imag / 1e-30
    return found


def head(*, start=drawn, **options):
    spec = {"codes": 7, "dim": 4, "temperature": 0.5, "width": 5, "dtype": jnp.float32}
    return start(lambda: CodebookHead(**{**spec, **options}, rngs=nnx.Rngs(0)))


def books(*heads):
    return drawn(lambda: nnx.Dict(codebooks(heads, nnx.Rngs(0))), seed=1)


def tokens(rows=6, length=3, width=5, seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, length)) < 0.7
    mask[:, 0] = True
    values = rng.normal(size=(rows, length, width)).astype(np.float32)
    return Encoding(np.zeros((rows, width), np.float32), values, mask)


@functools.partial(jax.jit, static_argnums=0)
def pulled(function, cotangent, *args):
    """The value of a function, and what it makes of a cotangent."""
    value, pull = jax.vjp(function, *args)
    return value, pull(cotangent)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 9)).astype(np.float32) * np.float32([[0.1]] * 10 + [[3]] * 10)
    sparse = jax.jit(sparsemax)
    p = np.asarray(sparse(z))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert p.min() >= 0
    # Optimality: z - p is one number tau on the support, and not more than it outside.
    for row, point in zip(z, p, strict=True):
        on = point > 0
        tau = (row - point)[on]
        np.testing.assert_allclose(tau, tau[0], atol=1e-5)
        assert (row[~on] <= tau[0] + 1e-5).all()
    np.testing.assert_allclose(sparse(np.float32([[5, 0]])), [[1, 0]])
    np.testing.assert_allclose(sparse(np.zeros((1, 4), np.float32)), np.full((1, 4), 0.25))


def test_the_derivative_of_sparsemax_is_that_of_its_formula():
    rng = np.random.default_rng(1)
    z, g = (rng.normal(size=(4, 6)).astype(np.float32) for _ in range(2))
    ours, slope = pulled(sparsemax, g, z)
    np.testing.assert_allclose(ours, simplex(z.astype(float)), rtol=1e-5, atol=1e-6)
    want = derivatives(lambda p: (simplex(p["z"]) * g).sum(), {"z": z.astype(float)})
    np.testing.assert_allclose(slope[0], want["z"], rtol=1e-5, atol=1e-6)


def laid_out(p, devices):
    """Tokens by rows over all devices, codes over half of them, the rest everywhere."""
    shape = (max(devices // 2, 1), min(devices, 2))
    types = (AxisType.Auto,) * 2
    mesh = jax.make_mesh(shape, ("data", "fsdp"), types, devices=jax.devices()[:devices])
    specs = {"tokens": jax.P(("data", "fsdp")), "table": jax.P("fsdp")}
    return {
        name: jax.device_put(value, jax.NamedSharding(mesh, specs.get(name, jax.P())))
        for name, value in p.items()
    }


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"skip": 1},
        {"pool": "sum"},
        {"pool": "mean", "skip": 1},
        {"activation": "softmax"},
        {"activation": "sigmoid", "temperature": 0.2},
        {"activation": "log1p", "output": "codes", "query": "residual", "pool": "mean"},
        {"activation": "log1p", "output": "codes", "query": "none"},
    ],
    ids=str,
)
def test_the_head_equals_the_formula(options, devices):
    options = {"temperature": 3.0, **options}  # several codes are active
    dim = 6 if options.get("query", "map") == "map" else 5
    check(head(codes=8, dim=dim, **options), rewritten, devices, **options)


@pytest.mark.parametrize("options", [{}, {"pool": "mean", "skip": 1}], ids=str)
def test_the_head_without_codes_equals_the_formula(options):
    told = {"dim": 6, "width": 5, "dtype": jnp.float32, **options}
    module = drawn(lambda: TokenHead(**told, rngs=nnx.Rngs(0)))
    check(module, projected, 1, **options)


def check(module, formula, devices, **options):
    """Value, and gradients of tokens, codes and all parameters, against `formula`."""
    rng = np.random.default_rng(5)
    encoding = tokens(rows=8)
    mask = np.array(encoding.mask)
    cotangent = rng.normal(size=(8, module.dim)).astype(np.float32)
    mask[:, 1] = True  # so that none is empty without the first
    graph, state = nnx.split(module)
    paths = {"/".join(path): path for path, _ in nnx.to_flat_state(state)}
    p = {
        name: rng.normal(size=v.shape).astype(np.float32)
        for name, (_, v) in zip(paths, nnx.to_flat_state(state), strict=True)
    }
    p["tokens"] = np.asarray(encoding.tokens)
    if isinstance(module, CodebookHead):
        p["table"] = rng.normal(size=(8, module.code_dim)).astype(np.float32)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def embedded(p):
        own = nnx.merge(
            graph, nnx.from_flat_state([(path, nnx.Param(p[n])) for n, path in paths.items()])
        )
        shared = codebooks([own], nnx.Rngs(0))
        if "table" in p:
            shared["codebook"].table[...] = p["table"]
        f = own(Encoding(p["tokens"][:, 0], p["tokens"], jnp.asarray(mask)), shared)
        return (f * cotangent).sum(), f

    (_, f), grads = embedded(laid_out(p, devices))
    exact = {name: value.astype(float) for name, value in p.items()}
    np.testing.assert_allclose(f, formula(exact, mask, **options), rtol=1e-5, atol=1e-5)
    want = derivatives(lambda p: (formula(p, mask, **options) * cotangent).sum(), exact)
    for name, grad in grads.items():
        assert np.abs(want[name]).max() > 1e-3, name
        error = np.abs(np.asarray(grad) - want[name]).max() / np.abs(want[name]).max()
        assert error < 1e-4, (name, error)


def test_derivatives_of_maxima_equal_those_of_the_plain_formula():
    encoding = tokens(width=4)
    table = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
    cotangent = np.random.default_rng(4).normal(size=(6, 7)).astype(np.float32)

    def plain(q, c, mask):
        s = jnp.where(mask[:, :, None], jnp.einsum("btd,kd->btk", q, c), -jnp.inf)
        return s.max(1)

    args = (encoding.tokens, table)
    ours, slopes = pulled(lambda q, c: max_product(q, c, encoding.mask), cotangent, *args)
    theirs, expected = pulled(lambda q, c: plain(q, c, encoding.mask), cotangent, *args)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    for a, b in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_row_without_tokens_gives_zero_and_no_gradient():
    q, c, one = (np.ones(shape, np.float32) for shape in ((2, 3, 4), (5, 4), (2, 5)))
    mask = np.asarray([[True] * 3, [False] * 3])
    value, slopes = pulled(lambda q: max_product(q, c, mask), one, q)
    np.testing.assert_array_equal(np.asarray(value)[1], 0)
    np.testing.assert_array_equal(np.asarray(slopes[0])[1], 0)
    most = jax.jit(lambda q, mask: pool_tokens(q, mask, "max"))
    np.testing.assert_array_equal(np.asarray(most(q, mask))[1], 0)


@pytest.mark.parametrize("activation", ["sparsemax", "softmax", "sigmoid"])
@pytest.mark.parametrize("pool", ["max", "mean", "sum"])
def test_an_example_is_a_convex_combination_of_codes_and_padding_does_not_count(activation, pool):
    module = head(activation=activation, pool=pool)
    shared = books(module)
    encoding = tokens()
    table = np.asarray(shared["codebook"].table[...])
    a = np.asarray(jitted(module, "weights")(encoding, table))
    np.testing.assert_allclose(a.sum(1), 1, rtol=1e-5)
    assert (a >= 0).all()
    run = jitted(module)
    np.testing.assert_allclose(run(encoding, shared), a @ table, rtol=1e-5, atol=1e-6)
    noisy = encoding._replace(
        tokens=np.where(encoding.mask[:, :, None], encoding.tokens, np.float32(99))
    )
    np.testing.assert_allclose(run(noisy, shared), a @ table, rtol=1e-5, atol=1e-6)


def test_heads_of_one_name_share_one_codebook():
    both = books(head(), head())
    assert list(both) == ["codebook"]
    assert both["codebook"].table.shape == (7, 4)
    assert set(codebooks([head(), head(codebook="other")], nnx.Rngs(0))) == {"codebook", "other"}
    with pytest.raises(EncoderError, match="heads that share it need equal ones"):
        codebooks([head(), head(codes=8)], nnx.Rngs(0))
    with pytest.raises(EncoderError, match="reads tokens"):
        head()(Encoding(jnp.zeros((2, 5))), both)


def test_a_codebook_of_words_starts_as_the_token_vectors_of_a_tower():
    sizes = {"vocab_size": 7, "length": 3, "embedding": 4, "width": None}
    bag = made(lambda: BagOfTokens(**sizes, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    words = head(tokens_of="text")
    table = codebooks([words], nnx.Rngs(0), {"text": bag})["codebook"].table
    np.testing.assert_array_equal(table[...], bag.token[...])
    table[...] = np.zeros_like(table[...])  # one of its own
    assert np.asarray(bag.token[...]).any()
    with pytest.raises(EncoderError, match="no tower with token vectors"):
        codebooks([words], nnx.Rngs(0), {"text": nnx.Linear(2, 3, rngs=nnx.Rngs(0))})
    with pytest.raises(
        EncoderError, match="has 7 token vectors of 4 numbers, and the head codes=8"
    ):
        codebooks([head(codes=8, tokens_of="text")], nnx.Rngs(0), {"text": bag})


def test_without_a_query_map_tokens_are_as_wide_as_codes_and_a_residual_starts_as_they_are():
    with pytest.raises(EncoderError, match="query='none' of a codebook head needs tokens of dim=4"):
        head(query="none")
    plain, residual = (
        head(start=made, dim=5, query=query, activation="softmax") for query in ("none", "residual")
    )
    shared = books(plain)
    found = (jitted(each)(tokens(), shared) for each in (plain, residual))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_tokens_that_are_left_out_are_some_and_not_all():
    with pytest.raises(EncoderError, match="skip=-1"):
        head(skip=-1)
    module = head(skip=3)
    with pytest.raises(EncoderError, match="skip=3 leaves none of the encoder's 3 tokens"):
        module(tokens(), books(module))


def test_tokens_are_encoded_by_themselves_and_zeros_are_padding():
    told = {"width": 3, "dtype": jnp.float32}
    encoder = drawn(lambda: TokenMLP(inputs=5, **told, rngs=nnx.Rngs(0)))
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    x[1, 2:] = 0
    encoding = jax.tree.map(np.asarray, jitted(encoder)(x))
    np.testing.assert_array_equal(encoding.mask, [[True] * 4, [True, True, False, False]])
    short = jax.tree.map(np.asarray, jitted(encoder)(x[1:, :2]))
    np.testing.assert_allclose(encoding.pooled[1], short.pooled[0], rtol=1e-6)
    np.testing.assert_allclose(encoding.tokens[1, :2], short.tokens[0], rtol=1e-6)
    top = jitted(drawn(lambda: TokenHead(dim=4, **told, rngs=nnx.Rngs(0))))(encoding, {})
    assert top.shape == (2, 4)
    with pytest.raises(EncoderError, match=r"\[B, T, 5\] is expected"):
        encoder(jnp.zeros((2, 5)))

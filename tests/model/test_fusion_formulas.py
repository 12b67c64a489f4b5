"""Every fusion of vectors is its formula, in float64; that of tokens sees what it should."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn

from mmjax.encoders.base import EncoderError, Encoding
from mmjax.errors import ConfigError
from mmjax.model.base import FusionInput
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.model.fusions import FUSIONS

ROWS, DIMS = 5, {"a": 6, "b": 6, "c": 4}


def inputs(*names, width=8):
    return tuple(FusionInput(n, n.partition("@")[0], DIMS[n[0]], width) for n in names)


def built(type, *outputs, **options):
    own = {"inputs": outputs or (inputs("a", "b"),), "dtype": jnp.float32}
    return drawn(lambda: FUSIONS.spec(type, **options).build(**own, rngs=nnx.Rngs(3)))


@functools.partial(jax.jit, static_argnums=2)
def fused(fusion, parts, output=0):
    return fusion(parts, output)


def vectors(names, seed=0):
    rng = np.random.default_rng(seed)
    raw = [rng.normal(size=(ROWS, DIMS[name[0]])) for name in names]
    parts = [Embedding(np.float32(x), np.float32(unit(x))) for x in raw]
    return raw, parts


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def weights(module):
    return {
        "/".join(map(str, path)): np.asarray(value[...], np.float64)
        for path, value in nnx.to_flat_state(nnx.state(module, nnx.Param))
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def mlp(w, x):
    hidden = np.maximum(np.concatenate(x, 1) @ w["layers/0/kernel"] + w["layers/0/bias"], 0)
    return hidden @ w["layers/1/kernel"] + w["layers/1/bias"]


def gated(w, x):
    gates = sigmoid(np.concatenate(x, 1) @ w["gates/kernel"])
    parts = [np.tanh(each @ w[f"hidden/{i}/kernel"]) for i, each in enumerate(x)]
    return sum(g * h for g, h in zip(np.split(gates, len(x), 1), parts, strict=True))


def attention(w, x):
    scores = np.concatenate(
        [
            np.tanh(each @ w["hidden/kernel"] + w["bias"][i]) @ w["score/kernel"]
            for i, each in enumerate(x)
        ],
        axis=1,
    )
    share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return sum(share[:, i : i + 1] * each for i, each in enumerate(x))


CASES = {
    "sum": ("ab", {}, lambda w, x: x[0] + x[1]),
    "concat": ("abc", {}, lambda w, x: np.concatenate(x, 1)),
    "mean": ("ab", {}, lambda w, x: (unit(x[0]) + unit(x[1])) / 2),
    "weighted": ("ab", {"weights": (3.0, 1.0)}, lambda w, x: 0.75 * unit(x[0]) + unit(x[1]) / 4),
    "weighted concat": (
        "abc",
        {"weights": (3.0, 1.0, 0.5)},
        lambda w, x: np.concatenate([3 * unit(x[0]), unit(x[1]), unit(x[2]) / 2], axis=1),
    ),
    "mlp": ("abc", {"dim": 7, "hidden": (9,)}, mlp),
    "gated": ("abc", {"dim": 7}, gated),
    "attention": ("ab", {"hidden": 5}, attention),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fusion_of_vectors_is_its_formula(case):
    names, options, formula = CASES[case]
    raw, parts = vectors(names)
    kind = {"weighted": "mean", "weighted concat": "concat"}.get(case, case)
    fusion = built(kind, inputs(*names), **options)
    found, want = fused(fusion, parts), formula(weights(fusion), raw)
    np.testing.assert_allclose(found.raw, want, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found.unit, unit(want), rtol=2e-5, atol=2e-6)
    assert fusion.dim == want.shape[1] == found.encoding.pooled.shape[1]

    direction = np.random.default_rng(2).normal(size=want.shape)

    @jax.jit
    @jax.grad
    def slope(x):
        part = Embedding(x, unit_norm(x))
        return (fusion([part, *parts[1:]], 0).raw * direction).sum()

    step = 1e-6 * np.random.default_rng(3).normal(size=raw[0].shape)
    difference = sum(
        sign * (formula(weights(fusion), [raw[0] + sign * step, *raw[1:]]) * direction).sum()
        for sign in (1, -1)
    )
    gradient = np.asarray(slope(parts[0].raw), np.float64)
    np.testing.assert_allclose((gradient * step).sum() * 2, difference, rtol=1e-3)


def encoded(names, lengths, width=8, seed=0):
    """Embeddings with tokens, of which so many are there; those of others are 99."""
    rng = np.random.default_rng(seed)
    found = []
    for name, (total, there) in zip(names, lengths, strict=True):
        tokens = rng.normal(size=(ROWS, total, width)).astype(np.float32)
        mask = np.arange(total) < there
        tokens[:, ~mask] = 99.0
        raw = np.ones((ROWS, DIMS[name[0]]), np.float32)
        mask = np.broadcast_to(mask, (ROWS, total))
        found.append(
            Embedding(raw, raw, Encoding(np.ones((ROWS, width), np.float32), tokens, mask))
        )
    return found


def transformer(*outputs, **options):
    own = {"dim": 6, "width": 16, "depth": 1, "heads": 2, "mlp_width": 16}
    return built("transformer", *outputs, **{**own, **options})


@pytest.mark.parametrize("pool", ["end", "mean"])
def test_padding_says_nothing_and_the_order_of_tokens_neither(pool):
    fusion = transformer(inputs("a", "b"), pool=pool, tokens=True)
    short, long = (encoded("ab", ((t, 3), (4, 2))) for t in (3, 5))
    long[0].encoding.tokens[:, :3] = short[0].encoding.tokens
    long[1] = short[1]
    one, other = fused(fusion, short), fused(fusion, long)
    np.testing.assert_allclose(one.raw, other.raw, atol=1e-5)
    turned = [
        part._replace(
            encoding=part.encoding._replace(
                tokens=part.encoding.tokens[:, ::-1], mask=part.encoding.mask[:, ::-1]
            )
        )
        for part in short
    ]
    np.testing.assert_allclose(fused(fusion, turned).raw, one.raw, atol=1e-5)
    assert other.tokens.shape == (ROWS, 9, 6)
    np.testing.assert_allclose(np.linalg.norm(other.tokens, axis=-1), 1, atol=1e-5)
    groups = np.asarray(other.encoding.groups[0])
    np.testing.assert_array_equal(groups.argmax(0)[groups.any(0)], [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(groups.any(0), other.encoding.mask[0])


def test_a_tower_without_tokens_gives_its_vector():
    fusion = transformer(inputs("a", "b"))
    parts = encoded("ab", ((3, 3), (1, 1)))
    pooled = parts[1]._replace(encoding=Encoding(parts[1].encoding.tokens[:, 0]))
    found = fused(fusion, [parts[0], pooled]).raw
    np.testing.assert_allclose(found, fused(fusion, parts).raw, atol=1e-6)


def test_outputs_of_the_same_kinds_are_alike_by_tower_and_differ_by_view():
    """A text is the same whether it is a target or a decoy; `kinds='view'` tells them apart."""
    outputs = (inputs("a", "b@edit"), inputs("b@right"), inputs("b@wrong"), inputs("a"))
    by_tower, by_view = (transformer(*outputs, kinds=kinds) for kinds in ("tower", "view"))
    assert (by_tower.kinds, by_tower.ends) == (((0, 1), (1,), (1,), (0,)), (0, 1, 1, 2))
    assert by_view.ends == (0, 1, 2, 3)
    (text,) = encoded("b", ((4, 4),))
    *same, image = (np.asarray(fused(by_tower, [text], k).raw) for k in (1, 2, 3))
    np.testing.assert_array_equal(*same)
    right, wrong = (np.asarray(fused(by_view, [text], k).raw) for k in (1, 2))
    assert np.abs(right - wrong).max() > 1e-4
    assert np.abs(image - same[0]).max() > 1e-4


def side_by_side(parts, features, weights, balance):
    """Card 18: the text over the ratio of both standard deviations, flattened."""
    found, scale = [], None
    for (x, there), weight in zip(parts, weights, strict=True):
        z = weight * x[:, :there, :features]
        sigma = np.sqrt(((z - z.mean(1, keepdims=True)) ** 2).mean(1, keepdims=True) + 1e-8)
        scale = sigma if scale is None else scale
        z = z / (sigma / (scale + 1e-8)) if balance and found else z
        z = np.concatenate([z, np.zeros((ROWS, x.shape[1] - there, features))], axis=1)
        found.append(z.reshape(ROWS, -1))
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("balance", [False, True])
def test_tokens_side_by_side_are_their_formula(balance):
    parts, lengths, weights = encoded("ab", ((5, 5), (4, 3))), (5, 3), (1.0, 20.0)
    options = {"tokens": (5, 4), "features": 6, "balance": balance, "weights": weights}
    fusion = built("concat_tokens", inputs("a", "b"), **options)

    def values(tokens):
        return list(zip(tokens, lengths, strict=True))

    tokens = [np.asarray(part.encoding.tokens, np.float64) for part in parts]
    found, want = fused(fusion, parts), side_by_side(values(tokens), 6, weights, balance)
    assert fusion.dim == found.raw.shape[1] == 9 * 6
    np.testing.assert_allclose(found.raw, want, rtol=2e-5, atol=2e-6)
    if balance:  # Unit check 1 of card 18; the mean stays where it was, in units of sigma.
        series, text = want[:, :30].reshape(ROWS, 5, 6), want[:, 30:48].reshape(ROWS, 3, 6)
        np.testing.assert_allclose(series.std(1), text.std(1), rtol=1e-3)
        own = 20 * tokens[1][:, :3, :6]
        ratios = [z.mean(1) / z.std(1) for z in (text, own)]
        np.testing.assert_allclose(*ratios, rtol=1e-3)

    direction = np.random.default_rng(2).normal(size=want.shape)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def slopes(*tokens):
        given = [
            part._replace(encoding=part.encoding._replace(tokens=x))
            for part, x in zip(parts, tokens, strict=True)
        ]
        return (fusion(given, 0).raw * direction).sum()

    gradients = slopes(*(np.float32(x) for x in tokens))
    for i, gradient in enumerate(gradients):  # of the first also through the scale
        step = np.zeros_like(tokens[i])
        step[:, : lengths[i]] = np.random.default_rng(3).normal(size=(ROWS, lengths[i], 8))
        moved = [[x + sign * 1e-5 * step if i == k else x for k, x in enumerate(tokens)]
                 for sign in (1, -1)]  # fmt: skip
        ends = [(side_by_side(values(x), 6, weights, balance) * direction).sum() for x in moved]
        np.testing.assert_allclose((np.asarray(gradient) * step).sum(), (ends[0] - ends[1]) / 2e-5,
                                   rtol=1e-3)  # fmt: skip
        assert not np.asarray(gradient)[:, lengths[i] :].any()


def test_a_row_without_tokens_has_a_finite_gradient():
    fusion = built("concat_tokens", inputs("a", "b"), tokens=(3, 3), features=4, balance=True)
    parts = encoded("ab", ((3, 3), (3, 3)))

    @jax.jit
    @jax.grad
    def slope(x):
        absent = parts[1]._replace(encoding=parts[1].encoding._replace(tokens=x))
        return (fusion([parts[0], absent], 0).raw ** 2).sum()

    assert np.isfinite(slope(np.zeros_like(parts[1].encoding.tokens))).all()


def test_another_number_of_tokens_is_said():
    fusion = built("concat_tokens", inputs("a", "b"), tokens=(3, 2), features=4)
    with pytest.raises(EncoderError, match=r"tokens=\(3, 2\), but .* 'b' gives 4: set that"):
        fusion(encoded("ab", ((3, 3), (4, 4))), 0)
    parts = encoded("ab", ((3, 3), (2, 2)))
    with pytest.raises(EncoderError, match="'a' gives none"):
        fusion([parts[0]._replace(encoding=Encoding(parts[0].raw)), parts[1]], 0)


TOKENS = {"tokens": (3, 3), "features": 4}


@pytest.mark.parametrize(
    ("type", "outputs", "options", "said"),
    [
        ("mean", (inputs("a", "c"),), {}, "different sizes.*'a' 6, 'c' 4"),
        ("sum", (inputs("a", "c"),), {}, "different sizes"),
        ("concat", (inputs("a", "c"),), {"weights": (1.0, 0.0)}, "2 numbers above 0"),
        ("concat_tokens", (inputs("a"),), TOKENS, "one number for each of 1 inputs"),
        ("concat_tokens", (inputs("a", "b"),), {**TOKENS, "features": 9}, "more than the 8 of"),
        ("concat_tokens", (inputs("a", "b"),), {**TOKENS, "weights": (1.0,)}, "weights=.1.0,."),
        ("concat_tokens", (inputs("a"),), {**TOKENS, "tokens": (3,), "balance": True}, "needs two"),
        ("attention", (inputs("c", "b"),), {}, "take type='mlp'"),
        ("mean", (inputs("a", "b"),), {"weights": (1.0,)}, "2 numbers, one for each input"),
        ("mean", (inputs("a", "b"),), {"weights": (0.0, 0.0)}, "not all 0"),
        ("mlp", (inputs("a", "b"), inputs("a", "c")), {"dim": 4}, "inputs of 'also'.*'c' 4"),
        ("mlp", (inputs("a", "b"), inputs("a")), {"dim": 4}, "one by one"),
    ],
)
def test_what_does_not_fit_is_said(type, outputs, options, said):
    with pytest.raises(ConfigError, match=said):
        built(type, *outputs, **options)

"""The head `token_projector` against NumPy, its dropout, and a tower that has it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn, jitted
from scipy.special import erf

from mmjax.encoders.base import EncoderError, Encoding
from mmjax.model.config import ModelConfig
from mmjax.model.heads import HEADS
from mmjax.objectives import configs
from mmjax.system.system import System

ROWS, LENGTH, WIDTH, DIM = 6, 4, 5, 3


def head(**options):
    told = {"dim": DIM, "width": WIDTH, "dtype": jnp.float32, **options}
    own = drawn(lambda: HEADS["token_projector"](**told, rngs=nnx.Rngs(0)), seed=1)
    state = nnx.to_flat_state(nnx.state(own, nnx.Param))
    return own, {"/".join(map(str, path)): np.asarray(v[...], float) for path, v in state}


def encoding():
    rng = np.random.default_rng(0)
    mask = rng.random((ROWS, LENGTH)) < 0.6
    mask[:, 1] = True
    tokens = rng.normal(size=(ROWS, LENGTH, WIDTH)).astype(np.float32)
    return Encoding(tokens[:, 0], tokens, mask)


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def affine(x, p, name):
    return x @ p[f"{name}/kernel"] + p[f"{name}/bias"]


def normed(x, p, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    return x * p[f"{name}/scale"] + p[f"{name}/bias"]


def projected(x, p, name):
    y = normed(x, p, f"{name}/norm")
    branch = affine(gelu(affine(y, p, f"{name}/up")), p, f"{name}/down")
    return affine(y, p, f"{name}/linear") + branch


def want(x, mask, p, *, skip=0, first=False, refine=False):
    there = mask[:, skip:, None]
    z = np.where(there, projected(x[:, skip:], p, "each"), 0).sum(1) / there.sum(1)
    if first:
        z = z + projected(x[:, 0], p, "first")
    if not refine:
        return z
    u = affine(z, p, "refine/first")
    return normed(u + affine(gelu(u), p, "refine/second"), p, "refine/norm")


@pytest.mark.parametrize(
    "options", [{}, {"skip": 1, "first": True}, {"refine": True}, {"skip": 1, "refine": True}]
)
def test_it_is_its_formula(options):
    own, p = head(**options, dropout=0.1)
    given = encoding()
    x, mask = np.asarray(given.tokens, float), np.asarray(given.mask)
    np.testing.assert_allclose(jitted(own)(given, None), want(x, mask, p, **options), atol=2e-5)
    parts = {"each", *(["first"] if "first" in options else []), *({"refine"} & {*options})}
    assert {path.partition("/")[0] for path in p} == parts


def test_gradients_of_what_is_masked_are_zero():
    own, _ = head(skip=1, first=True)
    given = encoding()
    slope = jax.jit(jax.grad(lambda x: own(given._replace(tokens=x), None).sum()))
    g, seen = slope(given.tokens), given.mask.copy()
    seen[:, 0] = True
    np.testing.assert_array_equal(np.abs(g).max(-1) > 0, seen)


def test_an_encoder_without_tokens_has_one():
    own, p = head()
    x = encoding().pooled
    expected = projected(x.astype(float), p, "each")
    np.testing.assert_allclose(jitted(own)(Encoding(x), None), expected, atol=1e-5)


def system(rate, deterministic=()):
    own = {"type": "token_projector", "dim": DIM, "dropout": rate, "refine": True}
    encoder = {"type": "token_mlp", "inputs": 3, "hidden": (7,), "width": WIDTH}
    towers = {"a": {"encoder": encoder, "head": own, "deterministic": deterministic}}
    model = ModelConfig.of({"towers": towers})
    return drawn(lambda: System(model, configs({}), dtype=jnp.float32, rngs=nnx.Rngs(0)))


def test_dropout_is_of_training_and_of_each_row_by_itself():
    x = np.random.default_rng(0).normal(size=(8, 2, 3)).astype(np.float32)
    still, dropping = system(0.0), system(0.5)
    embed = jitted(dropping, "embed")
    plain = np.asarray(jitted(still, "embed")({"a": x})["a"].raw)
    np.testing.assert_array_equal(embed({"a": x})["a"].raw, plain)
    keys = jax.random.split(jax.random.key(1), 8)
    raw = np.asarray(embed({"a": x}, train=True, key=keys)["a"].raw)
    assert (np.abs(raw - plain).max(1) > 1e-3).all()
    half = embed({"a": x[4:]}, train=True, key=keys[4:])["a"].raw
    np.testing.assert_allclose(half, raw[4:], atol=1e-6)
    fixed = jitted(system(0.5, deterministic=("a",)), "embed")
    fixed = fixed({"a": x}, train=True, key=keys)["a"].raw
    np.testing.assert_allclose(fixed, plain, atol=1e-6)
    with pytest.raises(EncoderError, match="needs random numbers"):
        dropping.embed({"a": x}, train=True)


def test_what_cannot_be_is_refused():
    with pytest.raises(EncoderError, match=r"skip=0 .* with first=True should be at least 1"):
        head(first=True)
    own, _ = head(skip=LENGTH)
    with pytest.raises(EncoderError, match="skip=4 leaves none of the encoder's 4 tokens"):
        own(encoding(), None)
    wide = encoding()._replace(tokens=np.zeros((ROWS, LENGTH, 7), np.float32))
    with pytest.raises(EncoderError, match=r"tokens of 7 numbers .* built for the 5"):
        head()[0](wide, None)

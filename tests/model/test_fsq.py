"""Finite scalar quantization: levels, mixed-radix numbers, and codes of tokens by further heads."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn, jitted, made

from mmjax.encoders.base import EncoderError
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.model.heads import HEADS
from mmjax.model.quantizers import FiniteScalarQuantizer
from mmjax.objectives import configs
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.system.system import System


def head(levels, **options):
    spec = HEADS.spec("fsq", levels=levels, **options)
    return drawn(lambda: spec.build(width=5, dtype=jnp.float32, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("levels", [(3, 3), (2, 5, 4), (7,)])
def test_each_number_has_its_levels_and_each_code_its_own_number(levels):
    of = head(levels)
    half = (np.array(levels) - 1) / 2
    axes = [np.linspace(-h, h, 41) for h in half]
    z = np.array(list(itertools.product(*axes)), np.float32)
    nearest = np.asarray(jitted(of, "nearest")(z, None))
    for k, count in enumerate(levels):
        steps = np.unique(nearest[:, k])
        np.testing.assert_array_equal(steps, np.arange(count) - half[k])
    assert np.abs(nearest - z).max() <= 0.5 + 1e-6
    digits, want = nearest + half, 0
    for k in reversed(range(len(levels))):
        want = want * levels[k] + digits[:, k]
    found = np.asarray(jitted(of, "numbers")(z, None))
    np.testing.assert_array_equal(found, want)
    assert set(found.tolist()) == set(range(of.codes))


def test_a_saturated_tanh_has_the_last_level():
    of = head((3, 4))
    far = jitted(of)(np.float32(np.array([[1e4], [-1e4]]) * np.ones((1, 5))))
    reached = np.asarray(jitted(of, "nearest")(far, None))
    assert set(np.abs(reached[:, 0]).tolist()) == {1.0}
    assert set(np.abs(reached[:, 1]).tolist()) == {1.5}


@pytest.mark.parametrize("levels", [(), (3, 1), (2,) * 25])
def test_levels_that_are_none(levels):
    with pytest.raises(EncoderError, match="give one number or more, each at least 2"):
        FiniteScalarQuantizer(levels=levels, width=5, dtype=jnp.float32, rngs=nnx.Rngs(0))


def system(kind="fsq", **options):
    encoder = {"type": "token_mlp", "inputs": 4, "hidden": (), "width": 5}
    tower = {
        "encoder": encoder,
        "head": {"type": kind, "tokens": True, **options},
        "heads": {
            "codes": {"type": "none", "level": "codes"},
            "contrast": {"type": "linear", "dim": 6, "tokens": True, "level": "codes"},
        },
    }
    model = ModelConfig.of({"towers": {"a": tower}})
    return System(model, configs({}), dtype=jnp.float32, rngs=nnx.Rngs(0))


def frames():
    x = 2 * np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
    for row, length in enumerate((7, 5, 1, 7, 3, 2)):
        x[row, length:] = 0
    return x


def test_further_heads_read_the_codes_of_tokens_with_the_gradient_of_what_they_are_of():
    of, x = made(lambda: system(levels=(3, 3, 4))), frames()
    found = jitted(of, "embed")({"a": x})["a"]
    mask = np.asarray(found.encoding.mask)
    z, e = (np.asarray(each) for each in found.quantized)
    assert np.abs(z - e).max() <= 0.5
    codes = found.heads["codes"].encoding
    np.testing.assert_array_equal(codes.tokens, e)
    np.testing.assert_array_equal(codes.mask, mask)
    mean = np.where(mask[..., None], e, 0).sum(1) / mask.sum(1)[:, None]
    np.testing.assert_allclose(found.raw, mean, rtol=1e-6, atol=1e-6)
    kernel = np.asarray(of.towers["a"].heads["contrast"].project.kernel[...])
    assert kernel.shape == (3, 6)
    projected = e @ kernel
    length = np.maximum(np.linalg.norm(projected, axis=-1, keepdims=True), 1e-6)
    np.testing.assert_allclose(found.heads["contrast"].tokens, projected / length, atol=1e-5)

    @functools.partial(jax.jit, static_argnums=1)
    @jax.grad
    def through(x, what):
        found = of.embed({"a": x})["a"]
        tokens = found.quantized.continuous if what == "z" else found.heads["codes"].encoding.tokens
        return (tokens * jnp.arange(3)).sum()

    np.testing.assert_allclose(through(x, "e"), through(x, "z"), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("fsq", {"levels": (3, 3, 4)}), ("lfq", {"dim": 4}), ("vq", {"dim": 3, "codes": 9})],
)
def test_numbers_and_shares_of_a_models_codes(kind, options):
    of, x = made(lambda: system(kind, **options)), frames()
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    model = Embedder(Definition.of(lambda: system(kind, **options)), Definition.arrays(of), mesh)
    numbers = model.embed("a", x, "numbers").astype(int)
    mask = (x != 0).any(-1)
    np.testing.assert_array_equal(numbers >= 0, mask)
    e = np.asarray(jitted(of, "embed")({"a": x})["a"].quantized.nearest)
    pairs = {(int(n), tuple(code)) for n, code in zip(numbers[mask], e[mask].tolist(), strict=True)}
    # One number a code, and one code a number.
    assert len(pairs) == len({n for n, _ in pairs}) == len({code for _, code in pairs}) > 3
    shares = model.embed("a", x, "codes")
    count = of.towers["a"].head.codes
    want = np.stack([np.bincount(n[m], minlength=count) / m.sum()
                     for n, m in zip(numbers, mask, strict=True)])  # fmt: skip
    np.testing.assert_allclose(shares, want, atol=1e-6)


def test_shares_of_too_many_codes_are_an_error():
    options = {"levels": (3,) * 11}
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    of = drawn(lambda: system(**options))
    model = Embedder(Definition.of(lambda: system(**options)), Definition.arrays(of), mesh)
    with pytest.raises(ValueError, match="has 177,147 codes, of which no shares can be held"):
        model.embed("a", frames(), "codes")

"""Trunks by themselves: skills against plain transformers, and the towers' own parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import jitted, made
from scipy.special import erf

from mmjax.encoders import ENCODERS, EncoderError, TrunkConfig, TrunkTokens, parameter_count
from mmjax.encoders.transformer import Transformer

SMALL = {"width": 8, "depth": 2, "heads": 2, "mlp_width": 12}


def trunk(**options):
    config = TrunkConfig(**{**SMALL, **options})
    return made(lambda: config.build(dtype=jnp.float32, rngs=nnx.Rngs(0)))


def flat(module):
    return {"/".join(map(str, p)): v for p, v in nnx.to_flat_state(nnx.split(module)[1])}


def plain(of, *skills):
    """A transformer without skills, with the attention and the mean weights of these."""
    alone = made(lambda: Transformer(**SMALL, dtype=jnp.float32, rngs=nnx.Rngs(1)))
    there = flat(of.transformer)
    for path, variable in flat(alone).items():
        own = [path.replace("/mlp/", f"/mlps/{s}/") for s in skills]
        own = [p if p in there else p.replace("/attention/", f"/attentions/{s}/")
               for p, s in zip(own, skills, strict=True)]  # fmt: skip
        values = [there[p][...] for p in own]
        np.testing.assert_array_equal(values[0].shape, variable.shape)
        variable[...] = values[0]
    return alone


@pytest.mark.parametrize("attention", [False, True])
def test_one_skill_is_a_plain_transformer(attention):
    own = trunk(skills=("image", "text"), skill_attention=attention)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 8)), jnp.float32)
    for skill in ("image", "text"):
        want = jitted(plain(own, skill))(x)
        np.testing.assert_allclose(jitted(own)(x, skills=(skill,)), want, atol=1e-6)
    image, text = (np.asarray(jitted(own)(x, skills=(s,))) for s in ("image", "text"))
    assert np.abs(image - text).max() > 1e-3


def feed_forward(of, x, layer):
    """The MLP with GELU of one layer in float64, f[T, W] -> f[T, W]."""
    up, down = ({k: np.asarray(flat(of)[f"{n}/{k}"][...][layer], np.float64)
                 for k in ("kernel", "bias")} for n in ("up", "down"))  # fmt: skip
    y = x @ up["kernel"] + up["bias"]
    return (0.5 * y * (1 + erf(y / 2**0.5))) @ down["kernel"] + down["bias"]


def test_two_skills_give_the_mean_of_what_each_gives():
    own = trunk(skills=("a", "b", "c"), depth=1)
    blocks = own.transformer.blocks
    x = np.random.default_rng(0).normal(size=(5, 8))
    for skills in (("a",), ("a", "b"), ("a", "b", "c"), ("c", "b")):
        graphdef, state = nnx.split(blocks)
        block = nnx.merge(graphdef, jax.tree.map(lambda leaf: leaf[0], state))
        with jax.default_matmul_precision("highest"):
            # Whatever attention makes of x, the MLP's branch is added to it.
            block.attention.out.kernel[...] *= 0
            found = np.asarray(jitted(block)(np.float32(x[None]), skills=skills)[0])
        mean, deviation = x.mean(-1, keepdims=True), x.std(-1, keepdims=True)
        normed = (x - mean) / np.sqrt(deviation**2 + 1e-6)
        want = np.mean([feed_forward(blocks.mlps[s], normed, 0) for s in skills], axis=0)
        np.testing.assert_allclose(found, x + want, atol=1e-5)


def test_skills_that_are_not_active_get_no_gradient_and_cost_nothing():
    own = trunk(skills=("a", "b", "c"))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 8)), jnp.float32)
    graphdef, state = nnx.split(own)

    def loss(state, skills):
        return (nnx.merge(graphdef, state)(x, skills=skills) * jnp.arange(8)).sum()

    gradient = jax.jit(jax.grad(loss), static_argnums=1)(state, ("b",))
    for path, value in nnx.to_flat_state(gradient):
        skill = path[path.index("mlps") + 1] if "mlps" in path else "b"
        if "key" not in path or path[-1] != "bias":
            assert bool(np.any(value[...])) == (skill == "b"), path

    def cost(of, **skills):
        split, arrays = nnx.split(of)
        run = jax.jit(lambda arrays: nnx.merge(split, arrays)(x, **skills))
        return run.lower(arrays).compile().cost_analysis()["flops"]

    # The active parameters of one skill are those of a dense model; all there are are more.
    dense = trunk()
    assert cost(own, skills=("b",)) == cost(dense)
    assert cost(own, skills=("a", "b")) > cost(dense)
    per_skill = parameter_count(own.transformer.blocks.mlps["b"])
    assert parameter_count(own) - 2 * per_skill == parameter_count(dense)


def tower(**options):
    given = {"stem": ENCODERS.spec("token_mlp", inputs=6, width=8), "trunk": "t", "width": 8}
    told = {**given, "length": 5, **options}
    return made(lambda: TrunkTokens(**told, dtype=jnp.float32, rngs=nnx.Rngs(2)))


@pytest.mark.parametrize("pool", ["cls", "first", "mean", "last"])
def test_padding_changes_nothing(pool):
    of, shared = tower(pool=pool), trunk(causal=pool == "last")
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    of = jitted(of)
    short = of(x[:, :3], trunk=shared)
    padded = of(np.where(np.arange(5)[:, None] < 3, x, 0), trunk=shared)  # zeros are padding
    np.testing.assert_allclose(short.pooled, padded.pooled, atol=1e-6)
    first = int(pool == "cls")
    assert short.tokens.shape == (2, 3 + first, 8)
    np.testing.assert_array_equal(padded.mask.sum(1), 3 + first)
    assert np.abs(of(x, trunk=shared).pooled - short.pooled).max() > 1e-3


def test_places_and_tokens_of_a_pooled_vector():
    shared = trunk()
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    turned = x[:, ::-1]
    for length, same in ((0, True), (5, False)):
        of = tower(length=length, pool="mean")
        a, b = (jitted(of)(each, trunk=shared).pooled for each in (x, turned))
        assert np.allclose(a, b, atol=1e-5) == same
    of = tower(stem=ENCODERS.spec("mlp", inputs=6, width=8), prefix=3, length=3)
    found = jitted(of)(x[:, 0], trunk=shared)
    assert found.tokens.shape == (2, 4, 8)
    assert np.abs(found.tokens[:, 1] - found.tokens[:, 2]).max() > 1e-2


def test_mistakes_are_one_sentence():
    x = jnp.ones((2, 5, 6))
    with pytest.raises(EncoderError, match="gives 5 tokens, but length=4"):
        tower(length=4)(x, trunk=trunk())
    with pytest.raises(EncoderError, match="gives no tokens: set 'prefix'"):
        tower(stem=ENCODERS.spec("mlp", inputs=6, width=8))(x[:, 0], trunk=trunk())
    with pytest.raises(EncoderError, match="the trunk 't', which is not given"):
        tower()(x)
    nested = {"stem": {"type": "token_mlp", "inputs": 6, "width": 8}, "trunk": "t", "width": 8}
    stem = ENCODERS.spec("trunk_tokens", **nested, length=0)
    with pytest.raises(EncoderError, match="stands below the trunk"):
        tower(stem=stem)
    with pytest.raises(ValueError, match="names one of them twice"):
        trunk(skills=("a", "a"))
    with pytest.raises(ValueError, match="skill_attention=True is for a trunk with skills"):
        trunk(skill_attention=True)

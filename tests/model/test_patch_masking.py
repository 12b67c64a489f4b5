"""Patches that the device hides in training: how many, which, turns, and what terms are told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmenting import gradient_of, keys
from flax import nnx
from jitted import drawn, jitted

from mmjax.errors import ConfigError
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import Context, TermError, configs
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.pairwise import Plan
from mmjax.system.embedder import Embedder
from mmjax.system.system import System

PATCH = (2, 2, 4)


def volumes(rows, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 4, 8, 8, 2)).astype(np.float32)


def augmented(x, seed=0, **options):
    spec = AUGMENTATIONS.spec("mask_patches", patch=PATCH, **options)

    @jax.jit
    def run(x, keys):
        return spec.build()(x, train=True, rngs=nnx.Rngs(dropout=keys))

    return jax.tree.map(np.asarray, run(x, keys(len(x), seed)))


def patches_of(x):
    """f[B, N, P], cell by cell."""
    return np.stack(
        [
            x[:, a : a + 2, b : b + 2, c : c + 4].reshape(len(x), -1)
            for a in range(0, 4, 2)
            for b in range(0, 8, 2)
            for c in range(0, 8, 4)
        ],
        axis=1,
    )


def test_a_share_of_the_patches_is_zero_and_the_rest_as_it_was():
    x = volumes(400)
    y, targets = augmented(x, rate=0.3)
    assert targets.turn is None
    np.testing.assert_array_equal(targets.hidden.sum(1), 5)  # of 16
    np.testing.assert_allclose(targets.hidden.mean(0), 5 / 16, atol=0.09)
    np.testing.assert_array_equal(targets.values, patches_of(x))
    found = patches_of(y)
    assert not found[targets.hidden].any()
    np.testing.assert_array_equal(found[~targets.hidden], targets.values[~targets.hidden])
    _, targets = augmented(x[:5], rate=1e-3)
    np.testing.assert_array_equal(targets.hidden.sum(1), 1)


def test_turns_are_told_and_even():
    x = volumes(400)
    y, targets = augmented(x, turns=True)
    turned = np.stack(
        [np.rot90(own, k, axes=(1, 2)) for own, k in zip(x, targets.turn, strict=True)]
    )
    np.testing.assert_array_equal(targets.values, patches_of(turned))
    shown = ~targets.hidden
    np.testing.assert_array_equal(patches_of(y)[shown], patches_of(turned)[shown])
    assert np.bincount(targets.turn, minlength=4).min() > 70


def test_a_row_hides_by_its_own_key_and_nothing_in_evaluation():
    x, of_rows = volumes(6), keys(6)
    augment = AUGMENTATIONS.spec("mask_patches", patch=PATCH, turns=True).build()
    run = jax.jit(lambda x, keys: augment(x, train=True, rngs=nnx.Rngs(dropout=keys)))
    both, half = run(x, of_rows), run(x[3:], of_rows[3:])
    for whole, part in zip(jax.tree.leaves(both), jax.tree.leaves(half), strict=True):
        np.testing.assert_array_equal(whole[3:], part)
    again, targets = augment(x)
    assert again is x
    assert targets is None


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (volumes(1)[:, :3], {}, r"inputs of \(3, 8, 8\) are not made of patch=\(2, 2, 4\)"),
        (volumes(1)[:, 0], {}, r"inputs of \(8, 8\) are not made of"),
        (volumes(1)[:, :, :4], {"turns": True}, r"inputs of \(4, 4, 8\) cannot be turned"),
    ],
)
def test_what_cannot_be_hidden_is_one_sentence(x, options, message):
    with pytest.raises(ConfigError, match=message):
        augmented(x, **options)


def system_of():
    encoder = dict(type="patch_transformer", size=(4, 8, 8), patch=PATCH, channels=2, width=8,
                   depth=2, heads=2, pool="cls", levels={"early": 1})  # fmt: skip
    hide = dict(type="mask_patches", patch=PATCH, turns=True, views=("volume@masked",))
    heads = {"early": {"type": "none", "tokens": True, "level": "early"}}
    tower = {"encoder": encoder, "augment": hide, "heads": heads}
    asks = dict(type="regression", view="volume@masked", inputs=8, size=32, skip=1)
    turn = dict(type="classification", modalities=("volume@masked",), label=None, classes=4,
                dim=8, hidden=())  # fmt: skip
    terms = configs({"inpaint": asks, "turn": turn})
    model = ModelConfig.of({"towers": {"volume": tower}})
    return System(model, terms, dtype=jnp.float32, rngs=nnx.Rngs(0))


def batch_of(rows=16):
    x = volumes(rows)
    return {"id": np.arange(rows), "volume": x, "volume@masked": x}


def test_only_the_views_that_are_named_hide_something():
    system, batch = drawn(system_of), batch_of(4)

    @jax.jit
    def seen_in_training(key):
        found = system.embed(batch, train=True, key=key)
        assert found["volume"].heads["early"].encoding is found["volume"].encoding.levels["early"]
        return found

    seen = seen_in_training(jax.random.key(0))
    assert seen["volume"].targets is None
    assert np.asarray(seen["volume@masked"].targets.hidden).any()
    level = seen["volume"].encoding.levels["early"]
    early = seen["volume"].heads["early"]
    np.testing.assert_array_equal(early.raw, level.pooled)
    shown = jitted(system, "embed")(batch)
    with pytest.raises(TermError, match=r"'inpaint' asks what was hidden .*'mask_patches'"):
        system.objectives(shown, batch, Context(Plan()))
    with pytest.raises(TermError, match=r"label=None asks how 'volume@masked' was turned"):
        system.objectives.terms["turn"](shown, batch, Context(Plan()))


@pytest.mark.long
def test_microbatches_hide_the_same_and_have_the_same_gradient():
    ((loss, _), one), ((again, _), four) = (
        gradient_of(system_of, batch_of(), slices) for slices in (1, 4)
    )
    np.testing.assert_allclose(again, loss, rtol=1e-6)
    for path, g in one.items():
        np.testing.assert_allclose(four[path], g, rtol=1e-5, atol=3e-6, err_msg=path)


def test_an_embedder_gives_tokens_of_a_level():
    """Before the head that takes it, and through it."""
    definition, arrays = Definition.of(system_of), Definition.arrays(drawn(system_of))
    model = Embedder(definition, arrays, mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1]))
    x = volumes(3)
    want = jitted(definition.merge(arrays), "embed")({"volume": x})["volume"].encoding
    early = want.levels["early"]
    np.testing.assert_allclose(
        model.embed("volume", x, "early.encoder.tokens"), early.tokens.reshape(3, -1), atol=1e-5
    )
    np.testing.assert_allclose(
        model.embed("volume", x, "encoder.tokens"), want.tokens.reshape(3, -1), atol=1e-5
    )
    units = model.embed("volume", x, "early.tokens").reshape(early.tokens.shape)
    np.testing.assert_allclose(np.linalg.norm(units, axis=-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"has no 'late\.encoder\.tokens'"):
        model.embed("volume", x, "late.encoder.tokens")

"""Tokens that the device hides in training: how many, which, and that nothing else changes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmenting import gradient_of, keys
from flax import nnx
from jitted import drawn, jitted, made

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.config import ModelConfig
from mmjax.model.masking import SHOWN, start_rate
from mmjax.objectives import Context, TermError, configs
from mmjax.parallel.pairwise import Plan
from mmjax.system.system import System

VOCABULARY, MASK = 30, 30


def texts(rows, length=20, seed=0):
    """[bos] tokens [eos] pad, of which some are all special."""
    rng = np.random.default_rng(seed)
    x = rng.integers(4, VOCABULARY, (rows, length))
    x[:, 0] = 2
    end = rng.integers(1, length, rows)
    x[np.arange(rows), end] = 3
    x[np.arange(length) > end[:, None]] = 0
    return x.astype(np.int32)


def hidden(x, seed=0, **options):
    spec = AUGMENTATIONS.spec("mask_tokens", mask_id=MASK, vocab_size=VOCABULARY, **options)

    @jax.jit
    def run(x, keys):
        return spec.build()(x, train=True, rngs=nnx.Rngs(dropout=keys))

    return map(np.asarray, run(x, keys(len(x), seed)))


@pytest.mark.parametrize("spans", [(1, 1), (1, 3), (2, 2)])
def test_the_shares_are_those_of_the_options(spans):
    x = np.random.default_rng(0).integers(4, VOCABULARY, (4000, 20)).astype(np.int32)
    x[:, 0] = 2  # long ones, of which hardly any needs its one
    masked, targets = hidden(x, rate=0.3, spans=spans, replace=(0.6, 0.3))
    chosen, may = targets != SHOWN, x > 3
    assert not chosen[~may].any()
    assert abs(chosen[may].mean() - 0.3) < 0.01
    by_place = chosen[:, 1:].mean(0)
    assert np.ptp(by_place) < 0.06
    np.testing.assert_array_equal(targets[chosen], x[chosen])
    np.testing.assert_array_equal(masked[~chosen], x[~chosen])
    now = masked[chosen]
    assert abs((now == MASK).mean() - 0.6) < 0.02
    other = now[(now != MASK) & (now != x[chosen])]
    assert abs(len(other) / chosen.sum() - 0.3 * 26 / 27) < 0.02
    # All ids but padding, start and end, as often.
    counts = np.bincount(other, minlength=VOCABULARY)
    assert not counts[[0, 2, 3]].any()
    assert counts[1] > 0
    assert counts[4:].min() > 0.6 * counts[4:].mean()
    beside = (chosen[:, 1:-1] & chosen[:, 2:]).mean() / chosen.mean()
    assert beside < 0.35 if spans == (1, 1) else beside > 0.4


def test_one_token_at_least_is_hidden_where_there_is_one():
    x = texts(300)
    _, targets = hidden(x, rate=1e-6)
    chosen = (targets != SHOWN).sum(1)
    np.testing.assert_array_equal(chosen, (x > 3).any(1))
    assert 0 < chosen.sum() < 300
    _, targets = hidden(x, rate=1.0)
    np.testing.assert_array_equal(targets != SHOWN, x > 3)


@pytest.mark.parametrize("spans", [(1, 1), (1, 3), (2, 5)])
@pytest.mark.parametrize("rate", [0.15, 0.6, 1.0])
def test_the_rate_of_starts_covers_the_share(spans, rate):
    p, sizes = start_rate(rate, spans), range(spans[0], spans[1] + 1)
    longer = [np.mean([size > k for size in sizes]) for k in range(spans[1])]
    assert 1 - np.prod([1 - p * share for share in longer]) == pytest.approx(rate)


def test_a_row_hides_by_its_own_key():
    x = texts(8)
    augment = AUGMENTATIONS.spec("mask_tokens", mask_id=MASK, vocab_size=VOCABULARY).build()
    of_rows = keys(8)
    run = jax.jit(lambda x, keys: augment(x, train=True, rngs=nnx.Rngs(dropout=keys)))
    both, half = run(x, of_rows), run(x[4:], of_rows[4:])
    for whole, part in zip(both, half, strict=True):
        np.testing.assert_array_equal(whole[4:], part)
    again, targets = augment(x)
    assert again is x
    assert targets is None


def test_tokens_of_sentences_are_hidden_as_those_of_one_text():
    x = texts(8)
    want = list(hidden(x, rate=0.4))
    found = list(hidden(x.reshape(8, 4, 5), rate=0.4))
    for a, b in zip(found, want, strict=True):
        np.testing.assert_array_equal(a, b.reshape(8, 4, 5))


def test_a_term_asks_for_the_words_of_sentences():
    """By the head of that level; the encoder's own tokens are sentences, too few."""
    encoder = dict(type="hierarchical_text", vocab_size=VOCABULARY + 1, length=5, width=8,
                   depth=2, heads=2, blocks=(1, 1))  # fmt: skip
    hide = dict(type="mask_tokens", mask_id=MASK, vocab_size=VOCABULARY)
    heads = {"word": {"type": "linear", "dim": 3, "tokens": True, "level": "words"}}
    model = ModelConfig.of({"towers": {"text": {"encoder": encoder, "augment": hide,
                                                "heads": heads}}})  # fmt: skip
    words = dict(type="masked_tokens", view="text", conditions=(), inputs={"text": 8},
                 vocab_size=VOCABULARY, width=8, depth=0)  # fmt: skip
    terms = configs({"words": {**words, "head": {"text": "word"}}, "sentences": words})
    system = made(lambda: System(model, terms, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    batch = {"id": np.arange(8), "text": texts(8).reshape(8, 4, 5)}
    outputs = jitted(system, "embed")(batch, train=True, key=jax.random.key(0))
    word = outputs["text"].heads["word"]
    assert word.tokens.shape == (8, 20, 3)
    ask = jax.jit(lambda term, outputs: term(outputs, batch, Context(Plan())))
    loss, metrics = ask(system.objectives.terms["words"], {"text": word})
    assert 2 < loss < 6
    assert 0 <= metrics["accuracy"] <= 1
    with pytest.raises(TermError, match=r"one token of 'text' for each of its \(20,\) ids"):
        system.objectives.terms["sentences"](outputs, batch, Context(Plan()))


def system_of(views=("text@masked",)):
    encoder = dict(type="bag_of_tokens", vocab_size=VOCABULARY + 1, length=20, width=6, hidden=(8,))
    hide = dict(type="mask_tokens", mask_id=MASK, vocab_size=VOCABULARY, views=views)
    text = {"encoder": encoder, "head": {"type": "linear", "dim": 4}, "augment": hide}
    vector = {"type": "mlp", "inputs": 3, "hidden": (8,), "width": 5, "dropout": 0.3}
    towers = {"text": text, "image": {"encoder": vector, "head": {"type": "linear", "dim": 4}}}
    words = {"type": "masked_tokens", "inputs": {"text@masked": 6, "image": 5}}
    words |= {"vocab_size": VOCABULARY, "width": 8, "heads": 2}
    terms = configs({"words": words, "clip": {"type": "info_nce"}})
    model = ModelConfig.of({"towers": towers})
    return lambda: System(model, terms, dtype=jnp.float32, rngs=nnx.Rngs(0))


def batch_of(rows=16):
    x = texts(rows)
    image = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return {"id": np.arange(rows), "text": x, "text@masked": x, "image": image}


def test_only_the_views_that_are_named_hide_something():
    system = drawn(system_of())
    embed = jitted(system, "embed")
    seen, shown = embed(batch_of(), train=True, key=jax.random.key(0)), embed(batch_of())
    np.testing.assert_allclose(seen["text"].unit, shown["text"].unit, atol=1e-6)
    assert seen["text"].targets is None
    assert (np.asarray(seen["text@masked"].targets) >= 0).any()
    moved = np.asarray(seen["text@masked"].unit) - np.asarray(shown["text@masked"].unit)
    assert np.abs(moved).max() > 0.01
    with pytest.raises(TermError, match=r"augment=.'type': 'mask_tokens'"):
        system.objectives(shown, batch_of(), Context(Plan()))


def test_microbatches_hide_the_same_and_have_the_same_gradient():
    ((loss, metrics), one), ((again, others), four) = (
        gradient_of(system_of(), batch_of(), slices) for slices in (1, 4)
    )
    np.testing.assert_allclose(again, loss, rtol=1e-6)
    np.testing.assert_allclose(others["words/loss"], metrics["words/loss"], rtol=1e-6)
    for path, g in one.items():
        np.testing.assert_allclose(four[path], g, rtol=1e-5, atol=3e-6, err_msg=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spans": (3, 1)}, "two rising lengths"),
        ({"replace": (0.8, 0.3)}, "more than all"),
        ({"vocab_size": 1}, "leaves no token"),
        ({"rate": 0.0}, "rate' should be above 0"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(ConfigError, match=message):
        AUGMENTATIONS.spec("mask_tokens", **{"mask_id": 9, "vocab_size": 9, **options}).build()


def test_a_recipe_names_views_of_the_tower():
    recipe = str(Path(__file__).parents[2] / "configs" / "clip_rocket.py")
    hide = "model.towers.text.augment={'type': 'mask_tokens', 'mask_id': 9, 'vocab_size': 9, "
    config = recipe_lib.load(recipe, [hide + "'views': ('text@3',)}"])
    assert config.model.towers["text"].augment.options["views"] == ("text@3",)
    with pytest.raises(ConfigError, match=r"view 'text@4' of .*views.*; did you mean 'text@3'"):
        recipe_lib.load(recipe, [hide + "'views': ('text@4',)}"])
    with pytest.raises(ConfigError, match=r"view 'image' of .*views"):
        recipe_lib.load(recipe, [hide + "'views': ('image',)}"])

"""Captioning and the contrast of tokens: who sees what, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases.captioning import ALONE, BOTH, NOISY, ONE, OWN, WITHIN, ids
from cases.matching import ALL_DIMS, outputs
from cases.token_margin import ONE as MARGIN
from flax import nnx
from jitted import made
from term_harness import embeddings, make, parameters, run

from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.objectives import TermError, configs
from mmjax.parallel.pairwise import Plan
from mmjax.system.system import System

SIZE = 4


def data(spec):
    names = ("t", *spec.get("conditions", ()))
    raws = embeddings(names, SIZE, {name: ALL_DIMS[name] for name in names})
    return raws, {"id": np.arange(SIZE), **ids(SIZE)}


@pytest.mark.parametrize("spec", [ONE, OWN], ids=["tower", "own"])
def test_a_position_sees_the_conditions_and_no_later_token(spec):
    raws, batch = data(spec)
    batch["t"], batch["t_mask"][:] = np.full((SIZE, 3), 4, np.int32), True
    term = make(spec).terms["term"]

    @jax.jit
    def every(raws, ids):
        made = outputs(raws, batch)
        return term.hidden(ids, made, term.memory(made, jnp.ones(SIZE, bool)))

    def hidden(raws, ids):
        return np.asarray(every(raws, ids))

    before = hidden(raws, batch["t"])
    later = {**raws, "t": raws["t"].copy()}
    later["t"][:, 10:15] += 1  # the last of three tokens of five numbers
    after = hidden(later, np.where(np.arange(3) == 2, 5, batch["t"]))
    np.testing.assert_array_equal(after[:, :2], before[:, :2])
    assert np.all(np.abs(after[:, 2] - before[:, 2]).max(-1) > 1e-4)
    other = hidden({**raws, "v": raws["v"] + 1}, batch["t"])
    assert np.all(np.abs(other - before).max(-1) > 1e-5)


def test_noise_is_of_training_alone():
    raws, batch = data(NOISY)
    term = make(NOISY).terms["term"]

    @jax.jit
    def remembered(raws, *key):
        return term.memory(outputs(raws, batch), jnp.ones(SIZE, bool), *key)[0]

    memory, noisy = (np.asarray(remembered(raws, *k)) for k in ((), (jax.random.key(0),)))
    np.testing.assert_array_equal(memory[:, 0], memory[:, 1])
    assert np.all(np.abs(noisy[:, 0] - noisy[:, 1]).max(-1) > 1e-3)


def towers(**options):
    text = {"type": "text_transformer", "vocab_size": 7, "width": 4, "depth": 1, "heads": 1}
    text |= {"length": 3, "pool": "mean", **options}
    return ModelConfig.of({"towers": {"text": {"encoder": text, "head": {"type": "none"}}}})


def test_a_tower_that_sees_ahead_is_refused():
    spec = {**ALONE, "text": "text", "inputs": {"text": 4}}

    def built(spec, **options):
        terms = configs({"words": spec})
        return nnx.eval_shape(
            lambda: System(towers(**options), terms, dtype=jnp.float32, rngs=nnx.Rngs(0))
        )

    message = r"'words' predicts each token of 'text' .* sees ahead: give its encoder causal=True"
    with pytest.raises(TermError, match=message):
        built(spec, causal=False)
    built(spec, causal=True)
    own = {**spec, "lower": "own", "inputs": {}, "depth": 1, "width": 4}
    built(own, causal=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {"t": 5}}, "the widths of 't', 'v', 'a', but has"),
        ({"depth": 0}, "depth=0 is the text's tower alone"),
        ({**ALONE, "width": 3}, "depth=0 has no width=3 of its own"),
        ({**OWN, "width": None}, "lower='own' needs a width"),
        ({**OWN, "conditions": ("t",), "inputs": {"t": 5}}, "needs different views"),
        ({"noise": 0.1}, "noise and copies of layer='unit' alone"),
        ({**WITHIN, "depth": 1, "width": 4}, r"within=\('s',\) reads a trunk alone: give it no"),
        ({"within": ("s",)}, "reads a trunk alone"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make({**ONE, **options})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({**ALONE, "inputs": {"t": 6}}, "tokens of 't' have 6 numbers, but they have 5: set that"),
        ({**OWN, "length": 2}, "has length=2, but 't' has 3 tokens: make them equal"),
        ({**ALONE, "text": "b", "inputs": {"b": 5}}, "needs the modality 'b', but the batch has"),
        ({**MARGIN, "view": "b"}, "needs the modality 'b', but the batch has"),
    ],
)
def test_what_is_missing_is_named(spec, message):
    raws, batch = data(spec)
    with pytest.raises(TermError, match=message):
        run(spec, Plan(), raws, batch, outputs=outputs)


def test_a_row_without_a_sequence_is_left_out_of_that_one_alone():
    names = ("t", *BOTH["within"])
    raws = embeddings(names, SIZE, {name: ALL_DIMS[name] for name in names})
    batch = {"id": np.arange(SIZE), **ids(SIZE)}
    present = np.arange(SIZE) != 1
    raws["s"][1] = np.nan

    def loss(within, **more):
        term = made(lambda: make({**BOTH, "within": within})).terms["term"]
        return jax.jit(lambda raws: term(outputs(raws, batch), {**batch, **more}, None)[0])(raws)

    both = loss(("s", "u"), s_present=present)
    each = loss(("s",), s_present=present), loss(("u",))
    np.testing.assert_allclose(both, np.mean(each), rtol=1e-6)
    assert np.isfinite(both)
    assert abs(loss(("u",), u_present=present) - each[1]) > 1e-4


def test_a_language_model_owns_its_answer_alone():
    assert set(parameters(ALONE)) == {"answer/kernel", "answer/bias"}


def test_equal_tokens_have_the_whole_margin_and_opposite_ones_none():
    raws, batch = data(MARGIN)
    batch["t_mask"][:] = True
    token = np.ones((SIZE, 1, 5), np.float32)
    for sign, want in ((1.0, MARGIN["margin"]), (-1.0, MARGIN["margin"] / 3)):
        tokens = np.concatenate([token, token, sign * token], axis=1).reshape(SIZE, -1)
        raws["t"][:, :15] = tokens
        value, *_ = run(MARGIN, Plan(), raws, batch, outputs=outputs)
        np.testing.assert_allclose(value, want, rtol=1e-6)

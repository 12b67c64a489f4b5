"""Captions of a small model: those of a plain loop, alike in any batch; and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn
from tiers import long_but

from mmjax.decoding import DECODERS, Start
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import configs
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.system import System
from mmjax.system.texts import TextModel

VOCABULARY, LENGTH, ROWS, EOS = 12, 6, 6, 3
SPECS = ("greedy", "beam", "nucleus", "contrastive")
TERM = {"type": "captioning", "vocab_size": VOCABULARY, "width": 8, "heads": 2}
TERMS = {
    "tower": {**TERM, "conditions": ("image", "sound"),
              "inputs": {"text": 8, "image": 5, "sound": 4}},
    "own": {
        **TERM, "conditions": ("image",), "inputs": {"image": 6}, "lower": "own", "length": LENGTH,
        "layer": "unit", "noise": 0.5, "copies": 2,
    },
    "headed": {**TERM, "conditions": ("image",), "inputs": {"image": 4}, "lower": "own",
               "length": LENGTH, "layer": "unit", "head": {"image": "narrow"}},
}  # fmt: skip


def vectors(inputs, **more):
    encoder = {"type": "mlp", "inputs": inputs, "hidden": (), "width": inputs}
    return {"encoder": encoder, "head": {"type": "linear", "dim": 6}, **more}


@pytest.fixture(scope="module")
def model():
    text = {"type": "text_transformer", "vocab_size": VOCABULARY, "length": LENGTH, "width": 8,
            "depth": 1, "heads": 2, "init": "xavier"}  # fmt: skip
    towers = {
        "text": {"encoder": text, "head": {"type": "linear", "dim": 6}},
        "image": vectors(5, heads={"narrow": {"type": "linear", "dim": 4}}),
        "sound": vectors(4),
    }

    def make():
        terms = configs(TERMS)
        return System(
            ModelConfig.of({"towers": towers}), terms, dtype=jnp.float32, rngs=nnx.Rngs(0)
        )

    # Far from a start, and a seed for which texts differ with what they are of, whichever the term.
    far = drawn(make, seed=3, draw=lambda path, variable, rng: rng.normal(size=variable.shape))
    definition, arrays = Definition.of(make), Definition.arrays(far)
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:2])
    return definition, arrays, TextModel(definition, arrays, mesh)


def given(rows=ROWS):
    rng = np.random.default_rng(0)
    return {"image": rng.normal(size=(rows, 5)).astype(np.float32),
            "sound": rng.normal(size=(rows, 4)).astype(np.float32)}  # fmt: skip


def of(term, values):
    return {name: values[name] for name in TERMS[term]["conditions"]}


def start(rows):
    ids = np.zeros((len(rows), LENGTH), np.int32)
    ids[:, 0] = 2
    return Start(ids, np.ones(len(rows), np.int32), np.asarray(rows, np.int32))


def generated(texts, term, word, rows, values):
    decoder = DECODERS.spec(word).build()
    chosen = {name: each[np.asarray(rows)] for name, each in of(term, values).items()}
    return texts.generate(term, decoder, chosen, start(rows), eos=EOS, never=(0, 1, 2))


@pytest.mark.parametrize("term", long_but(lambda term: term != "headed", TERMS))
def test_greedy_captions_are_those_of_a_plain_loop(model, term):
    definition, arrays, texts = model
    found = generated(texts, term, "greedy", range(ROWS), given())

    @jax.jit
    def remembered(arrays, values):
        system = definition.merge(arrays)
        outputs = system.embed(values)
        if term == "headed":
            outputs["image"] = outputs["image"].heads["narrow"]
        return system.objectives.terms[term].memory(outputs, jnp.ones(1, bool))

    @jax.jit  # a program for each length: here is no longer than it is
    def last(arrays, here, memory):
        system = definition.merge(arrays)
        own = system.objectives.terms[term]
        return own.answer(own.hidden(here, system.embed({"text": here}), memory))[0, -1]

    for row in range(ROWS):
        values = {name: each[row : row + 1] for name, each in of(term, given()).items()}
        memory, ids = remembered(arrays, values), [2]
        while len(ids) < LENGTH and ids[-1] != EOS:
            logits = np.array(last(arrays, np.array([ids], np.int32), memory))
            logits[:3] = -np.inf
            ids.append(int(logits.argmax()))
        assert found.ids[row].tolist() == ids + [0] * (LENGTH - len(ids))
    assert len({tuple(each) for each in found.ids}) > 1


@pytest.mark.parametrize(("term", "word"), [*(("tower", word) for word in SPECS), ("own", "beam")])
def test_captions_do_not_depend_on_batch_mates(model, term, word):
    *_, texts = model
    together = generated(texts, term, word, range(ROWS), given())
    rows = [5, 1, 3]
    some = generated(texts, term, word, rows, given())
    np.testing.assert_array_equal(some.ids, together.ids[rows])
    np.testing.assert_array_equal(some.length, together.length[rows])
    assert len({tuple(each) for each in together.ids}) > 1


def test_the_likelihood_of_what_was_generated_is_what_it_said(model):
    *_, texts = model
    # Without ids that are never generated, which have some of the probability.
    decoder = DECODERS.spec("beam").build()
    found = texts.generate("tower", decoder, given(), start(range(ROWS)), eos=EOS)
    whole = np.where(np.arange(LENGTH) < found.length[:, None], found.ids, 0)
    rows = ~(whole[np.arange(LENGTH) < found.length[:, None]].reshape(-1) == 0).any()
    assert rows, "padding was generated: choose another seed"
    again = texts.likelihood("tower", given(), whole)
    np.testing.assert_allclose(again.log_likelihood, found.log_likelihood, rtol=1e-4)
    np.testing.assert_array_equal(again.tokens, found.length - 1)


def test_what_is_asked_wrongly_is_named(model):
    *_, texts = model
    greedy = DECODERS.spec("greedy").build()
    with pytest.raises(ValueError, match=r"no term 'words' of type 'captioning'; there are \["):
        texts.generate("words", greedy, given(), start(range(ROWS)), eos=EOS)
    with pytest.raises(ValueError, match=r"has the conditions \('image',\), but was given \("):
        texts.generate("own", greedy, given(), start(range(ROWS)), eos=EOS)

"""`Model.generate`: captions and prompts of a loaded model are those of its decoder."""

import jax
import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.configs import cosmo, maccap
from mmjax.data import inputs
from mmjax.decoding import DECODERS, Start
from mmjax.errors import ConfigError
from mmjax.inference.bundle import Bundle
from mmjax.inference.model import Model
from mmjax.model.outputs import by_output
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import state as state_lib


def model(tree, name):
    """An untrained model of a recipe, whose answers are far from even."""
    tree = {**tree, "recipe": name, "variant": "small"}
    recipe = recipe_lib.complete(tree, f"{name}.py")
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    plan = state_lib.plan(recipe, mesh)
    arrays = state_lib.initial(recipe, plan).evaluation_arrays()
    rng = np.random.default_rng(0)
    far = {
        path: jax.device_put(x + np.float32(0.5 * rng.normal(size=x.shape)))
        for path, x in sorted(jax.device_get(arrays).items())
    }
    views = by_output(recipe.outputs, inputs.views(recipe.data))
    return Model(Bundle(recipe.model.towers, plan.definition, far, mesh, views, None, None, recipe))


@pytest.fixture(scope="module")
def captioner():
    return model(maccap.small(), "maccap")


def vectors(rows=5):
    return list(np.random.default_rng(0).normal(size=(rows, 64)).astype(np.float32))


def test_captions_are_those_of_the_decoder(captioner):
    values, ids = vectors(), np.zeros((5, 6), np.int32)
    ids[:, 0] = 2
    start = Start(ids, np.ones(5, np.int32), np.arange(5, dtype=np.int32))
    tokenizer = captioner.view("caption").tokenizer
    for word in ("greedy", "beam"):
        found = captioner.generate(images=values, decoder=word, batch_size=2)
        want = captioner._embedder.texts.generate(
            "caption", DECODERS.spec(word).build(), {"image": np.stack(values)}, start, eos=3,
            never=(0, 1, 2),
        )  # fmt: skip
        assert found == [tokenizer.decode(own) for own in want.ids.tolist()]
    assert len({*found}) > 1
    # Another modality of the joint space stands for the one that was learned from.
    assert captioner.generate(salient=values[:2]) == captioner.generate(images=values[:2])
    assert captioner.generate(images=[]) == []


def test_a_prompt_is_gone_on_with(captioner):
    values = vectors(3)
    prompts = ["word4", "word7 word9", "word1"]
    whole = captioner.generate(prompts, images=values, tokens=2)
    assert all(len(text.split()) <= 2 for text in whole)
    alone = [
        captioner.generate([p], images=[v], tokens=2)[0]
        for p, v in zip(prompts, values, strict=True)
    ]
    assert alone == whole


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (None, {}, r"generate needs text=\[...\], one for each text, but has 0"),
        (["word1"], {"images": vectors(2)}, "one for each text, but has .*'prompts': 1"),
        (None, {"images": vectors(1), "tokens": 9}, "prompts of up to 1 tokens and 9 more"),
        ([""], {"images": vectors(1)}, r"prompts\[0\]: the caption is empty"),
        (None, {"images": vectors(1), "term": "words"}, "not 'words'; it has 'caption'"),
        (None, {"images": vectors(1), "salient": vectors(1)}, "has the conditions"),
        (None, {"images": vectors(1), "decoder": "beams"}, "did you mean 'beam'"),
    ],
)
def test_what_is_asked_wrongly_is_named(captioner, prompts, options, message):
    with pytest.raises(ConfigError, match=message):
        captioner.generate(prompts, **options)


def test_a_model_without_a_decoder_says_so():
    tree = cosmo.small()
    del tree["objectives"]["caption"]
    tree["evaluators"] = {}
    with pytest.raises(ConfigError, match="needs a term 'captioning' of the model, not None"):
        model(tree, "cosmo").generate(images=[np.zeros((32, 32, 3), np.uint8)])


def test_an_evaluator_names_a_term_that_generates():
    tree = {**cosmo.small(), "recipe": "cosmo", "variant": "small"}
    tree["evaluators"]["generation"]["test"]["term"] = "clip"
    with pytest.raises(ConfigError, match="unknown term that generates texts 'clip'"):
        recipe_lib.complete(tree, "cosmo.py")

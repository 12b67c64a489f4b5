"""The evaluator `attack`: its numbers by loops over single items, and that it leaves no trace."""

import jax
import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.attacks import ATTACKS
from mmjax.configs import advclip
from mmjax.data import inputs
from mmjax.errors import ConfigError
from mmjax.evaluators.attack import AttackRobustness
from mmjax.evaluators.data import EvalData, embed, embed_values
from mmjax.evaluators.errors import EvaluationError
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.train import state as state_lib

BY = dict(side=16, border=1, steps=6, batch_size=16)


@pytest.fixture(scope="module")
def tiny():
    """An untrained pair of models, and records of generated images."""
    tree = {**advclip.glyphs(), "recipe": "tiny", "variant": "small", "steps": 0}
    recipe = recipe_lib.complete({**tree, "evaluators": {}}, "tiny.py")
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    plan = state_lib.plan(recipe, mesh)
    arrays = state_lib.initial(recipe, plan).evaluation_arrays()
    views = inputs.views(recipe.data)
    source = recipe.data.source.word
    sets = [EvalData(source(split=s, examples=n), views, 64) for s, n in
            (("test", 30), ("train", 120))]  # fmt: skip
    return Embedder(plan.definition, arrays, mesh), *sets


def evaluator(**options):
    return AttackRobustness(
        **{"by": ATTACKS.spec("patch", **BY), "labels": "pair", "answers": "pair", "draws": 2}
        | options
    )


def by_loops(model, data, view, text, change):
    """R@1 by pair, and zero-shot accuracy, an image at a time."""
    rows = [data.source[i] for i in range(len(data.source))]
    pairs = [row["pair"] for row in rows]
    images = np.stack([data.views[view](row["image"], None, False) for row in rows])
    x = model.embed(view, np.asarray(change(images)))
    texts = embed_values(model, data, text, [row["text"] for row in rows])
    classes = sorted(set(pairs))
    names = embed_values(model, data, text, classes)
    found = [pairs[int((texts @ v).argmax())] == own for v, own in zip(x, pairs, strict=True)]
    right = [classes[int((names @ v).argmax())] == own for v, own in zip(x, pairs, strict=True)]
    return np.mean(found), np.mean(right)


def test_metrics_are_those_of_loops_for_both_towers(tiny):
    model, data, train = tiny
    found = evaluator(transfer=(("other", "text_other"),))(model, data, train=train)
    rows = [train.source[i] for i in range(len(train.source))]
    images = np.stack([train.views["image"](row["image"], None, False) for row in rows])
    texts = embed_values(model, train, "text", [row["text"] for row in rows])
    attack = ATTACKS.spec("patch", **BY).build()
    fitted = attack.fitted(model.function("image"), images, texts, 0)
    draws = [attack.random((32, 32, 3), seed) for seed in (0, 1)]
    for prefix, sides in (("", ("image", "text")), ("other/", ("other", "text_other"))):
        for name, changes in (("clean", [np.asarray]), ("random", draws), ("attacked", [fitted])):
            of = [by_loops(model, data, *sides, change) for change in changes]
            assert found[f"{prefix}{name}/R@1"] == pytest.approx(np.mean([o[0] for o in of]))
            assert found[f"{prefix}{name}/top_1"] == pytest.approx(np.mean([o[1] for o in of]))
    assert found["fitted"] == 120
    assert found["clean/probe"] > found["attacked/probe"] - 0.2


def test_clean_embeddings_that_others_share_stay_clean(tiny):
    model, data, train = tiny
    with data.shared(), train.shared():
        before = embed(model, data, ("image",))["image"].unit.copy()
        evaluator(labels=None)(model, data, train=train)
        np.testing.assert_array_equal(embed(model, data, ("image",))["image"].unit, before)


def test_by_ids_and_without_labels_there_is_retrieval_alone(tiny):
    model, data, train = tiny
    found = evaluator(labels=None, answers=None, examples=20)(model, data, train=train)
    assert set(found) == {"fitted", *(f"{n}/R@1" for n in ("clean", "random", "attacked"))}
    assert found["fitted"] == 20


def test_what_cannot_be_attacked_is_refused(tiny):
    _, data, train = tiny
    with pytest.raises(EvaluationError, match="inputs of 'text' are of int32"):
        evaluator(modality="text", text="image").check(data)
    views = {**data.views, "image": lambda value, rng, train: value}
    with pytest.raises(EvaluationError, match="does not know the range of its numbers"):
        evaluator().check(EvalData(data.source, views))
    with pytest.raises(EvaluationError, match="'text' are of int32"):
        evaluator(transfer=(("text", "text"),)).check(data)
    with pytest.raises(ValueError, match="limits"):
        evaluator(limits=(1.0, 0.0))
    with pytest.raises(EvaluationError, match="no gradients of its inputs"):
        evaluator()(object(), data, train=train)


def test_a_recipe_asks_for_what_its_attack_reads():
    tree = {**advclip.glyphs(), "recipe": "tiny", "variant": "small"}
    tree["evaluators"]["attack"]["both"]["by"]["rate"] = 1.0
    with pytest.raises(ConfigError, match=r"unknown key 'evaluators\.attack\.both\.by\.rate'"):
        recipe_lib.complete(tree, "tiny.py")

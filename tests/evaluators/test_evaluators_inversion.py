"""Modality inversion, against the same optimization written plainly, one query at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax import recipe as recipe_lib
from mmjax.configs import cross_the_gap
from mmjax.data import inputs
from mmjax.encoders.prompts import Prompts
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData, embed
from mmjax.evaluators.inversion import Inversion
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.train import state as state_lib

STEPS = 25


@pytest.fixture(scope="module")
def tiny():
    """An untrained model of the generated classes, and 30 of its records."""
    tree = {**cross_the_gap.classes(), "recipe": "tiny", "variant": "small", "steps": 0}
    source = dict(type="worded_classes", split="test", examples=30)
    tree["data"] = {**tree["data"], "source": source}
    tree |= {"evaluators": {}, "stages": ()}
    recipe = recipe_lib.complete(tree, "tiny.py")
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    plan = state_lib.plan(recipe, mesh)
    arrays = state_lib.initial(recipe, plan).evaluation_arrays()
    data = EvalData(recipe.data.source.build(), inputs.views(recipe.data), 30)
    return plan.definition, arrays, Embedder(plan.definition, arrays, mesh), data


def test_it_is_that_of_a_plain_loop(tiny):
    definition, arrays, model, data = tiny
    value = data.views["text"]("filler0 filler1", None, False)
    targets = embed(model, data, ("image",))["image"].unit[:3]
    tower = definition.merge(arrays).towers["text"]

    @jax.jit
    def g(v):
        return tower(jnp.asarray(value)[None], prompts=Prompts(v[None])).unit[0]

    start = jax.jit(lambda: 0.02 * jax.random.normal(jax.random.key(0), (2, 64)))()
    rule = optax.adamw(2e-2, weight_decay=0.01)

    @jax.jit
    def step(v, state, target):
        gradient = jax.grad(lambda v: 1 - g(v) @ target)(v)
        updates, state = rule.update(gradient, state, v)
        return optax.apply_updates(v, updates), state

    expected = []
    for target in targets:
        v, state = start, jax.jit(rule.init)(start)
        for _ in range(STEPS):
            v, state = step(v, state, target)
        expected.append(np.asarray(g(v)))
    found = model.invert("text", value, targets, tokens=2, steps=STEPS)
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-4)
    # Every query by itself, and nearer than before.
    alone = model.invert("text", value, targets[1:2], tokens=2, steps=STEPS)
    np.testing.assert_allclose(alone[0], found[1], atol=1e-5)
    assert ((found * targets).sum(1) > targets @ np.asarray(g(start))).all()


def test_towers_without_prompts_and_of_other_sizes_are_refused(tiny):
    _, _, model, _ = tiny
    value, targets = np.zeros(64, np.float32), np.eye(32, dtype=np.float32)
    with pytest.raises(ConfigError, match="whose encoder reads prompts"):
        model.invert("image", value, targets)
    with pytest.raises(ConfigError, match="'text' has embeddings of 32 numbers, the targets of 8"):
        model.invert("text", np.zeros(6, np.int32), targets[:, :8])


def test_the_evaluator_searches_among_all_other_items(tiny):
    _, _, model, data = tiny
    evaluator = Inversion(labels="name", value="filler0", steps=STEPS, queries=20)
    found = evaluator(model, data)
    images = embed(model, data, ("image",))["image"]
    names = np.array([own["name"] for own in images.fields])
    inverted = model.invert("text", data.views["text"]("filler0", None, False), images.unit[:20],
                            steps=STEPS)  # fmt: skip
    for name, x in (("direct", images.unit[:20]), ("inverted", inverted)):
        hits = []
        for i, v in enumerate(x):
            scores = images.unit @ v
            scores[i] = -2
            if (np.delete(names, i) == names[i]).any():
                hits.append(names[scores.argmax()] == names[i])
        assert found[f"{name}/R@1"] == pytest.approx(np.mean(hits))
    assert found["cosine"] == pytest.approx((inverted * images.unit[:20]).sum(1).mean(), abs=1e-4)
    assert found["queries"] == 20

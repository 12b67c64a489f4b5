"""Views of a tower that training encodes without dropout."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.objectives import configs
from mmjax.schema.values import plain
from mmjax.system.system import System

RECIPE = str(Path(__file__).parents[2] / "configs" / "clip_rocket.py")
BATCH = {name: np.random.default_rng(0).normal(size=(6, 3)) for name in ("a", "a@2", "b")}


def system_of(deterministic):
    encoder = {"type": "mlp", "inputs": 3, "hidden": (16,), "width": 8, "dropout": 0.5}
    head = {"type": "mlp", "dim": 4, "hidden": 5, "norm": "batch"}
    towers = {name: {"encoder": encoder, "head": head} for name in "ab"}
    towers["a"]["deterministic"] = deterministic
    model, terms = ModelConfig.of({"towers": towers}), configs({"align": {"type": "alignment"}})
    return System(model, terms, dtype=jnp.float32, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("deterministic", [(), ("a",), ("a", "a@2")], ids=str)
def test_these_views_and_no_others_are_encoded_as_in_evaluation(deterministic):
    system = system_of(deterministic)
    plain = {name: e.encoding.pooled for name, e in system.embed(BATCH).items()}
    trained = system.embed(BATCH, train=True, key=jax.random.key(0))
    for name in BATCH:
        same = np.array_equal(trained[name].encoding.pooled, plain[name])
        assert same == (name in deterministic), name


def test_heads_keep_the_statistics_of_the_batch():
    system = system_of(("a",))
    before = np.array(system.towers["a"].head.norms[0].mean[...])
    raw = system.embed(BATCH, train=True, key=jax.random.key(0))["a"].raw
    assert np.abs(system.towers["a"].head.norms[0].mean[...] - before).max() > 0
    assert np.abs(raw - system.embed(BATCH)["a"].raw).max() > 0


def test_a_recipe_names_views_that_the_tower_has():
    config = recipe_lib.load(RECIPE, ["model.towers.text.deterministic=('text', 'text@3')"])
    assert config.model.towers["text"].deterministic == ("text", "text@3")
    again = recipe_lib.complete(plain(config), "x")
    assert again.model.towers["text"].deterministic == ("text", "text@3")
    for given, said in (
        ("('text@4',)", r"view 'text@4' of .*text\.deterministic'; did you mean 'text@3'"),
        ("('image',)", r"view 'image' of .*text\.deterministic'"),
        ("3", r"text\.deterministic' should be"),
    ):
        with pytest.raises(ConfigError, match=said):
            recipe_lib.load(RECIPE, [f"model.towers.text.deterministic={given}"])

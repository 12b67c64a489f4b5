"""Mixing of inputs in a step: whose shares terms are told, and what is not mixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.data.mixing import MixConfig, mixed, partners_of, shares_of
from mmjax.errors import ConfigError
from mmjax.objectives.errors import TermError
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import borders, stages

ROWS = 64


def of(x, config=None, **more):
    batch = {"x": jnp.asarray(x), "id": np.arange(len(x)), **more}
    config = config or MixConfig(alpha=1.0, probability=0.5)
    return jax.jit(lambda batch, key: mixed({"x": config}, batch, key))(batch, jax.random.key(0))


def test_rows_are_mixtures_by_the_shares_that_are_told():
    x = np.random.default_rng(0).normal(size=(ROWS, 3, 2)).astype(np.float32)
    found = of(x)
    share, partner = np.asarray(found[shares_of("x")]), np.asarray(found[partners_of("x")])
    assert sorted(partner) == list(range(ROWS))
    assert 0.3 < (share == 1).mean() < 0.7
    assert 0.2 < share[share < 1].mean() < 0.8
    weight = share[:, None, None]
    np.testing.assert_allclose(found["x"], weight * x + (1 - weight) * x[partner], atol=1e-6)
    np.testing.assert_array_equal(found["x"][share == 1], x[share == 1])
    assert (np.asarray(of(x, MixConfig(probability=0.0))[shares_of("x")]) == 1).all()


def test_absent_rows_are_mixed_with_nothing():
    present = np.arange(ROWS) % 3 > 0
    x = np.where(present[:, None], 1.0, np.nan).astype(np.float32)
    found = of(x, MixConfig(alpha=1.0, probability=1.0), x_present=present)
    share = np.asarray(found[shares_of("x")])
    assert (share[~present] == 1).all()
    assert (share[present] < 1).any()
    assert np.isfinite(np.asarray(found["x"])[present]).all()


def test_ids_of_a_text_are_not_mixed():
    with pytest.raises(ConfigError, match=r"'data\.mix_inputs\.x' mixes int32, but the mean"):
        of(np.zeros((4, 5), np.int32))


def planned(*overrides):
    tower = "{'encoder': {'type': 'mlp', 'inputs': 32, 'hidden': (), 'width': 8}}"
    told = (
        "objectives={'clip': {'type': 'mixup_nce', 'pairs': (('a', 'b'),)}}",
        *(f"model.towers.{name}={tower}" for name in "ab"),
    )
    config = recipe_lib.load("configs/clip_uniform.py:latent", (*told, *overrides))
    return borders.plans(stages.of(config), mesh_lib.make_mesh(*config.mesh.shape))


def test_what_does_not_fit_is_said_before_a_run():
    mixes = "data.mix_inputs={'a': {}}"
    assert planned(mixes, "objectives.clip.mix=inputs")
    with pytest.raises(TermError, match="the inputs 'a' are not mixed"):
        planned("objectives.clip.mix=inputs")
    with pytest.raises(ConfigError, match=r"data\.mix_inputs"):
        planned("data.mix_inputs={'y': {}}")

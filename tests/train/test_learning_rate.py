"""The learning rate as an input of the step: one program for all, and the same updates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import inputs
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import OptimizerConfig
from mmjax.train import optimizer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib


@pytest.mark.parametrize(
    "more", [{}, {"keep_idle": True}, {"turns": (("a",), ("b",))}, {"schedule": "linear"}], ids=str
)
def test_updates_by_a_given_peak_are_those_of_the_config(more):
    params = {path: jnp.arange(3.0) + 1 for path in "ab"}
    gradient = {"a": jnp.ones(3), "b": jnp.arange(3.0)}
    options = {"weight_decay": 0.1, "warmup_steps": 2, **more}
    own, other = (
        optimizer.make(OptimizerConfig(learning_rate=rate, **options), 9, params)
        for rate in (0.3, 0.01)
    )
    state = given = own.init(params)
    for _ in range(5):
        want, state = own.update(gradient, state, params)
        found, given = other.update(gradient, given, params, peak=np.float32(0.3))
        assert any(found[path].any() for path in params)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), found, want)
    jax.tree.map(np.testing.assert_array_equal, given, state)


def test_steps_of_several_rates_are_one_program(tiny):
    mesh = mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    programs, rates, moved = [], [], []
    for rate in (1e-3, 3e-3):
        config = tiny(f"optimizer.learning_rate={rate}", "optimizer.schedule='constant'")
        plan = state_lib.plan(config, mesh)
        step, state = step_lib.make(config, plan, mesh), state_lib.initial(config, plan)
        batch = mesh_lib.to_device(
            jax.tree.map(lambda x: np.ones(x.shape, x.dtype), inputs.batch_shapes(config.data)),
            mesh,
        )
        programs.append(step.program.lower(state, batch, step.peak).as_text())
        before = jax.device_get(state.params)
        state, metrics = step(state, batch)
        rates.append(float(metrics["learning_rate"]))
        moved.append(max(abs(state.params[path] - x).max() for path, x in before.items()))
    assert programs[0] == programs[1]
    np.testing.assert_allclose(rates, [1e-3, 3e-3], rtol=1e-6)
    assert moved[1] > 2 * moved[0] > 0

"""A teacher is what its formula says, trains nothing, and survives meshes, slices and restarts."""

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiers import long_but

from mmjax.errors import ConfigError
from mmjax.objectives import TERMS, Term
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run as preflight
from mmjax.schema.annotations import ViewRef
from mmjax.system.teachers import moving_average
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.signals import Interrupted

EMA = "teacher={'type': 'ema', 'views': ('a', 'b'), 'momentum': 0.9}"
MESH = ("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")


class Distance(Term):
    """Mean square distance of towers to the teacher, a term that is easily computed by hand."""

    def __init__(self, *, modalities: tuple[ViewRef, ...] = ("a", "b")):
        self.modalities = modalities

    def __call__(self, outputs, batch, context):
        total = 0.0
        for name in self.modalities:
            total = total + ((outputs[name].raw - context.teacher[name].raw) ** 2).mean()
        first = context.teacher[self.modalities[0]].raw
        return total, {"first": first[0, 0], "square": (first**2).sum()}


@pytest.fixture(autouse=True)
def distance():
    with TERMS.registered("distance", Distance):
        yield


@pytest.fixture
def taught(tiny):
    def make(*overrides):
        return tiny("objectives.distance={'type': 'distance'}", *overrides)

    return make


def batches(count, size=64):
    rng = np.random.default_rng(0)
    for _ in range(count):
        batch = {name: rng.normal(size=(size, 32)).astype(np.float32) for name in "ab"}
        batch["id"] = np.arange(size, dtype=np.int32)
        yield batch | {f"{name}_present": np.ones(size, bool) for name in "ab"}


def run(config, count, mesh=None):
    """States (host arrays by field and path) before and after each of `count` steps; metrics."""
    mesh = mesh or mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    plan = state_lib.plan(config, mesh)
    checks.check_model(config, plan, mesh)
    state = state_lib.initial(config, plan)
    step, states, metrics = step_lib.make(config, plan, mesh), [jax.device_get(state)], []
    for batch in batches(count):
        state, values = step(state, mesh_lib.to_device(batch, mesh))
        states.append(jax.device_get(state))
        metrics.append(jax.device_get(values))
    return plan, states, metrics


@pytest.mark.smoke
def test_momentum_follows_by_its_schedule_and_embeds_what_it_holds(taught):
    config = taught(
        "teacher={'type': 'ema', 'views': ('a', 'b'), 'momentum': "
        "{'type': 'linear', 'start': 0.5, 'end': 1.0, 'end_at': 0.04}}"
    )
    plan, states, metrics = run(config, 6)
    expected = {path: value.astype(np.float64) for path, value in states[0].params.items()}
    assert states[0].teacher.keys() == plan.definition.kinds(nnx.Param).keys() - {
        path for path in plan.trained if path.startswith("objectives/")
    }
    for k, (batch, values) in enumerate(zip(batches(6), metrics, strict=True)):
        system = plan.definition.merge(
            {**states[k].params, **states[k].constants, **states[k].teacher}
        )
        embedded = system.embed({"a": batch["a"]})["a"].raw
        np.testing.assert_allclose(values["distance/first"], embedded[0, 0], rtol=1e-5)
        np.testing.assert_allclose(values["distance/square"], (embedded**2).sum(), rtol=1e-5)
        momentum = min(0.5 + 0.5 * (k / 100) / 0.04, 1.0)
        np.testing.assert_allclose(values["teacher/momentum"], momentum, rtol=1e-6)
        for path in states[0].teacher:
            expected[path] += (1 - momentum) * (states[k + 1].params[path] - expected[path])
            np.testing.assert_allclose(states[k + 1].teacher[path], expected[path], atol=1e-6)
    moved = [
        path
        for path, value in states[0].teacher.items()
        if np.abs(value - states[-1].teacher[path]).max() > 1e-3
    ]
    assert moved


def test_no_gradient_reaches_the_towers_through_the_teacher(tiny):
    """At the start both agree, so that the distance and its gradient are 0 and nothing moves."""
    alone = ("objectives={'distance': {'type': 'distance'}}", "optimizer.weight_decay=0.0", EMA)
    _, _, metrics = run(tiny(*alone), 1)
    assert metrics[0]["distance/loss"] == 0
    assert metrics[0]["gradient_norm"] == 0


@pytest.mark.parametrize(
    "overrides",
    long_but(
        lambda overrides: len(overrides) > 2,
        [("microbatches=4",), MESH, ("microbatches=4", *MESH)],
        several=False,
    ),
)
def test_slices_and_meshes_change_nothing(taught, overrides):
    _, want, want_metrics = run(taught(EMA), 3)
    config = taught(EMA, *overrides)
    _, found, metrics = run(config, 3, mesh_lib.make_mesh(2, 4, 1) if len(overrides) > 2 else None)
    for a, b in zip(metrics, want_metrics, strict=True):
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
        np.testing.assert_allclose(a["gradient_norm"], b["gradient_norm"], rtol=1e-5)
    for path, value in want[-1].teacher.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(found[-1].teacher[path], value, rtol=0, atol=1e-5 * scale)


def test_it_lies_as_its_towers_do_and_the_optimizer_knows_nothing_of_it(taught, tiny):
    mesh = mesh_lib.make_mesh(2, 4, 1)
    config = taught(EMA, *MESH)
    plan = state_lib.plan(config, mesh)
    state = state_lib.abstract(config, plan)
    assert all(
        value.sharding == state.params[path].sharding for path, value in state.teacher.items()
    )
    assert any(not value.sharding.is_fully_replicated for value in state.teacher.values())
    without = state_lib.abstract(tiny(*MESH), state_lib.plan(tiny(*MESH), mesh))
    assert without.teacher == {}
    assert jax.tree.structure(without.optimizer) == jax.tree.structure(state.optimizer)
    assert preflight.preflight(config).state_bytes["teacher"] > 0


def test_frozen_towers_are_not_held_twice(taught):
    mesh = mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    config = taught(
        "teacher={'type': 'frozen', 'views': ('a', 'b')}", "optimizer.freeze=('towers/a/.*',)"
    )
    teacher = state_lib.plan(config, mesh).shardings.teacher
    assert {path.split("/")[1] for path in teacher} == {"b"}


def test_the_start_is_what_the_towers_are_filled_with(taught):
    config = taught("teacher={'type': 'frozen', 'views': ('a',)}")
    mesh = mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    state = state_lib.initial(config, state_lib.plan(config, mesh))
    state = state_lib.started(state, lambda arrays: {k: v + 1 for k, v in arrays.items()})
    for path, value in state.teacher.items():
        assert path.startswith("towers/a/")
        np.testing.assert_array_equal(value, state.params[path])
        assert value is not state.params[path]


def test_a_run_that_stops_goes_on_bit_by_bit(taught, saved, identical, tmp_path, monkeypatch):
    config = taught(EMA, "steps=40")
    trainer.train(config, tmp_path / "whole", quiet=True)
    make = step_lib.make

    def stopping(*args):
        step = make(*args)

        def call(state, batch):
            if int(state.step) + 1 == 23:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(state, batch)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(step_lib, "make", stopping)
        with pytest.raises(Interrupted):
            trainer.train(config, tmp_path / "part", quiet=True)
    trainer.train(config, tmp_path / "part", quiet=True)
    whole = saved(config, tmp_path / "whole")
    assert any(".teacher" in name for name in whole)
    assert identical(saved(config, tmp_path / "part"), whole) == []

    # A frozen teacher is that run at a step of its own, whatever its student does.
    spec = {"type": "frozen", "views": ("a", "b"), "init_from": str(tmp_path / "whole")}
    frozen = taught(f"teacher={ {**spec, 'checkpoint': '30'}!r}", "steps=3", "seed=5")
    trainer.train(frozen, tmp_path / "frozen", quiet=True)
    found, source = saved(frozen, tmp_path / "frozen"), saved(config, tmp_path / "whole", 30)
    for name, value in found.items():
        if ".teacher" in name:
            np.testing.assert_array_equal(value, source[name.replace(".teacher", ".params")])

    wider = taught(f"teacher={spec!r}", "model.towers.a.encoder.width=48")
    with pytest.raises(ConfigError, match="48"):
        trainer.train(wider, tmp_path / "wider", quiet=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "ema", "views": ("a", "c")}, "view 'c' of 'teacher.views'"),
        ({"type": "ema", "views": ()}, "each once"),
        ({"type": "ema", "views": ("a",), "momentum": 1.5}, "should be at least 0 and at most 1"),
        (
            {"type": "ema", "views": ("a",), "momentum": {"type": "linear"}},
            "'teacher.momentum.start' is missing",
        ),
        ({"type": "frozen", "views": ("a",), "momentum": 0.5}, "momentum"),
        ({"type": "frozen", "views": ("a", "b"), "init_from": "/nowhere"}, "/nowhere"),
    ],
)
def test_mistakes_are_errors_with_the_key(taught, tmp_path, spec, message):
    with pytest.raises(ConfigError, match=message):
        trainer.train(taught(f"teacher={spec!r}"), tmp_path, quiet=True)


def test_an_average_follows_numbers_and_copies_counters():
    old = {"w": jnp.array([1.0, 2.0]), "count": jnp.array(3)}
    new = {"w": jnp.array([3.0, 0.0]), "count": jnp.array(9), "other": jnp.array(0)}
    found = moving_average(old, new, 0.75)
    np.testing.assert_array_equal(found["w"], [1.5, 1.5])
    assert found["count"] == 9
    assert found.keys() == old.keys()

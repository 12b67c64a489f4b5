"""A queue holds the last batches' keys, and none that are not there."""

import jax
import numpy as np
import pytest
from tiers import long_but

from mmjax.errors import ConfigError
from mmjax.objectives import TERMS, Term
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.annotations import ViewRef
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

EMA = "teacher={'type': 'ema', 'views': ('b',), 'momentum': 0.5}"
QUEUE = "queue={'size': 192, 'views': ('a', 'b'), 'delay': 2}"
SIZE = 64


class Reader(Term):
    """A term that tells what it finds in the queue."""

    def __init__(self, *, modalities: tuple[ViewRef, ...] = ("a",)):
        self.modalities = modalities

    def __call__(self, outputs, batch, context):
        found = {}
        for view, keys in context.queue.items():
            found[f"{view}_valid"] = keys.valid.sum()
            found[f"{view}_sum"] = (keys.unit * keys.valid[..., None]).sum()
            found[f"{view}_ids"] = (keys.id * keys.valid).sum()
            found[f"{view}_own"] = outputs[view].unit.sum()
        found["b_taught"] = context.teacher["b"].unit.sum()
        return (outputs["a"].raw ** 2).mean(), found


@pytest.fixture
def reading(tiny):
    def make(*overrides):
        return tiny(
            "objectives={'reader': {'type': 'reader'}, 'clip': {'type': 'info_nce', 'pairs': "
            "(('a', 'b'),)}}",
            f"data.batch_size={SIZE}",
            EMA,
            QUEUE,
            *overrides,
        )

    with TERMS.registered("reader", Reader):
        yield make


def run(config, count, mesh=None):
    mesh = mesh or mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    plan = state_lib.plan(config, mesh)
    checks.check_model(config, plan, mesh)
    state, step, metrics = state_lib.initial(config, plan), step_lib.make(config, plan, mesh), []
    rng = np.random.default_rng(0)
    for k in range(count):
        batch = {name: rng.normal(size=(SIZE, 32)).astype(np.float32) for name in "ab"}
        batch["id"] = np.arange(SIZE, dtype=np.int32) + k * SIZE
        batch |= {"a_present": np.ones(SIZE, bool), "b_present": np.arange(SIZE) % 4 != k % 4}
        state, values = step(state, mesh_lib.to_device(batch, mesh))
        metrics.append({name: float(value) for name, value in values.items()})
    return state, metrics


@pytest.mark.smoke
def test_the_last_batches_are_there_after_their_own_loss(reading):
    _, metrics = run(reading(), 6)
    for k, found in enumerate(metrics):
        held = list(range(max(k - 3, 0), k)) if k >= 2 else []  # 192 / 64 batches, after a delay
        assert found["reader/a_valid"] == SIZE * len(held)
        assert found["reader/b_valid"] == SIZE * 3 // 4 * len(held)
        ids = [i * SIZE + np.arange(SIZE) for i in held]
        assert found["reader/a_ids"] == sum(map(np.sum, ids))
        present = [own[np.arange(SIZE) % 4 != i % 4] for i, own in zip(held, ids, strict=True)]
        assert found["reader/b_ids"] == sum(map(np.sum, present))
        # Of the towers where the teacher has no such view.
        expected = sum(metrics[i]["reader/a_own"] for i in held)
        np.testing.assert_allclose(found["reader/a_sum"], expected, rtol=1e-4, atol=1e-3)


def test_keys_are_the_teachers_and_not_the_towers(reading):
    config = reading("queue={'size': 64, 'views': ('b',)}", "data.views.b.noise=0.0")
    mesh = mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    plan = state_lib.plan(config, mesh)
    state = state_lib.initial(config, plan)
    # A teacher far from its student.
    state.teacher = {path: value + 0.1 for path, value in state.teacher.items()}
    before = jax.device_get(state)
    batch = {
        name: np.random.default_rng(1).normal(size=(SIZE, 32)).astype(np.float32) for name in "ab"
    }
    batch |= {"id": np.arange(SIZE, dtype=np.int32), "b_present": np.arange(SIZE) > 3}
    state, _ = step_lib.make(config, plan, mesh)(state, mesh_lib.to_device(batch, mesh))
    system = plan.definition.merge({**before.params, **before.constants, **before.teacher})
    want = np.where(batch["b_present"][:, None], system.embed({"b": batch["b"]})["b"].unit, 0)
    np.testing.assert_allclose(state.queue["unit/b"][:, 0], want, atol=1e-6)
    np.testing.assert_array_equal(state.queue["valid/b"][:, 0], batch["b_present"])


@pytest.mark.parametrize(
    "overrides",
    long_but(
        lambda own: len(own) > 1,
        [("microbatches=4",), ("mesh.data=2", "mesh.fsdp=4")],
        several=False,
    ),
)
def test_slices_and_meshes_change_nothing(reading, overrides):
    state, metrics = run(reading(), 5)
    mesh = mesh_lib.make_mesh(2, 4, 1) if len(overrides) > 1 else None
    other, others = run(reading(*overrides), 5, mesh)
    for a, b in zip(metrics, others, strict=True):
        for name in ("loss", "reader/a_sum", "reader/b_sum", "reader/a_ids"):
            np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=2e-3)
    for name, value in state.queue.items():
        np.testing.assert_allclose(other.queue[name], value, atol=1e-4)
    if mesh is not None:
        assert {s.data.shape[0] for s in other.queue["unit/a"].addressable_shards} == {SIZE // 8}


def test_a_run_goes_on_with_its_queue(reading, saved, identical, tmp_path, monkeypatch):
    config = reading("steps=20", "checkpoints.every=7")
    trainer.train(config, tmp_path / "whole", quiet=True)

    def crash(*args):
        step = make(*args)

        def call(state, batch):
            if int(state.step) == 12:
                raise MemoryError("crash")
            return step(state, batch)

        return call

    make = step_lib.make
    with monkeypatch.context() as patch:
        patch.setattr(step_lib, "make", crash)
        with pytest.raises(MemoryError):
            trainer.train(config, tmp_path / "part", quiet=True)
    trainer.train(config, tmp_path / "part", quiet=True)
    whole = saved(config, tmp_path / "whole")
    assert any(".queue" in name for name in whole)
    assert identical(saved(config, tmp_path / "part"), whole) == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{'size': 100, 'views': ('a',)}", "queue.size=100 .* data.batch_size=64, .*set it to 128"),
        ("{'size': 128, 'views': ()}", "queue.views"),
        ("{'size': 128, 'views': ('c',)}", "view 'c' of 'queue.views'"),
        ("{'size': 128}", "'queue.views' is missing"),
        ("{'size': 128, 'views': ('a',), 'delay': -1}", "'queue.delay' should be at least 0"),
    ],
)
def test_mistakes_are_errors_with_the_key(reading, tmp_path, section, message):
    with pytest.raises(ConfigError, match=message):
        trainer.train(reading(f"queue={section}"), tmp_path, quiet=True)

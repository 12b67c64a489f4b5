"""Saving and restoring: exact, on another mesh, with retention, and with sentences for failures."""

import shutil
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from mmjax.checkpoints.store import CheckpointError, Store, abstract_like
from mmjax.parallel import mesh as mesh_lib


def tree(value=0.0, mesh=None, spec=None):
    w = jnp.arange(32.0).reshape(8, 4) + value
    if mesh is not None:
        w = jax.device_put(w, NamedSharding(mesh, spec or P()))
    return {"a/b/w": w, "half": jnp.full((3,), 1 / 3, jnp.bfloat16), "step": jnp.int32(value)}


def same(a, b):
    return jax.tree.all(
        jax.tree.map(lambda x, y: bool((x == y).all()) and x.dtype == y.dtype, a, b)
    )


def test_round_trip_is_exact_and_lands_on_another_mesh(tmp_path):
    eight, two = mesh_lib.make_mesh(fsdp=8, data=1), mesh_lib.make_mesh(fsdp=2, data=4)
    state = tree(1.0, eight, P("fsdp"))
    store = Store(tmp_path)
    store.save(3, state)
    store.close()
    target = abstract_like(tree(0.0, two, P(None, "fsdp")))
    restored = Store(tmp_path).restore(target)
    assert same(restored, state)
    assert restored["a/b/w"].sharding.spec == P(None, "fsdp")


def test_what_every_device_holds_is_whole_whether_it_is_cut_or_not(tmp_path):
    mesh = mesh_lib.make_mesh(data=8)
    state = tree(1.0, mesh) | {
        "large": jax.device_put(jnp.arange(2.0**22), NamedSharding(mesh, P()))
    }
    compiled = []

    def listener(name, *_, **__):
        if "backend_compile" in name:
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        with Store(tmp_path) as store:
            store.save(1, {"w": state["a/b/w"]})
            assert not compiled  # a small array is written by one device
            store.save(2, state)
        assert compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    assert same(Store(tmp_path).restore(abstract_like(state)), state)


def test_orbax_own_trees_are_read(tmp_path):
    state = tree(2.0)
    with ocp.CheckpointManager(tmp_path) as manager:  # as earlier versions wrote them
        manager.save(4, args=ocp.args.StandardSave(state))
    assert same(Store(tmp_path).restore(abstract_like(state)), state)


def test_another_shape_is_refused(tmp_path):
    with Store(tmp_path) as store:
        store.save(1, tree())
    other = abstract_like(tree()) | {"half": jax.ShapeDtypeStruct((5,), jnp.bfloat16)}
    with pytest.raises(CheckpointError, match="cannot be read"):
        Store(tmp_path).restore(other)


def test_keeps_the_last_and_the_best_also_after_a_restart(tmp_path):
    def options():
        return Store(tmp_path, keep_last=2, keep_best=1, metric="acc")

    store = options()
    for step, accuracy in ((10, 0.1), (20, 0.9), (30, 0.3)):
        store.save(step, tree(step), {"acc": accuracy})
    store.close()
    store = options()
    for step in (40, 50):
        store.save(step, tree(step))
    store.save(60, tree(60), {"acc": 0.2})
    store.close()
    store = options()
    assert (store.steps(), store.best(), store.latest()) == ([20, 50, 60], 20, 60)


def test_what_is_kept_beside_a_state(tmp_path):
    """And a step that was saved before it was evaluated has its metric once it is."""
    values = {"window": {"loss": [0.1, float("inf")]}, "bad_rows": None}
    with Store(tmp_path, metric="acc") as store:
        store.save(1, tree(1))
        store.save(2, tree(2), metadata=values)
        assert store.best() is None
        store.save(2, tree(2), {"acc": 0.5}, values)
        store.save(2, tree(3), {"acc": 0.7}, {})  # passed over
    store = Store(tmp_path, metric="acc")
    assert (store.best(), store.latest()) == (2, 2)
    assert dict(store.metadata(2)) == values
    assert dict(store.metadata(1)) == {}
    assert same(store.restore(abstract_like(tree())), tree(2))
    (tmp_path / "1" / "_CHECKPOINT_METADATA").write_text("[" * 9)
    with pytest.raises(CheckpointError, match="_CHECKPOINT_METADATA is damaged"):
        store.metadata(1)


def test_a_smaller_metric_can_be_the_better(tmp_path):
    store = Store(tmp_path, keep_last=1, keep_best=1, metric="gap", mode="min")
    for step, gap in ((1, 0.5), (2, 0.2), (3, 0.7)):
        store.save(step, tree(step), {"gap": gap})
    store.wait()
    assert (store.steps(), store.best()) == ([2, 3], 2)


def test_missing_and_damaged_checkpoints_are_named(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(CheckpointError, match="has no checkpoint; it has none"):
        store.restore(abstract_like(tree()))
    store.save(1, tree(1))
    store.save(2, tree(2))
    store.close()
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 7; it has \[1, 2\]"):
        Store(tmp_path).restore(abstract_like(tree()), 7)
    shutil.rmtree(tmp_path / "2" / "default" / "d")
    shutil.rmtree(tmp_path / "2" / "default" / "ocdbt.process_0")
    with pytest.raises(CheckpointError, match=r"/2/default/d/\w+ is missing.*\(others are 1\)"):
        Store(tmp_path).restore(abstract_like(tree()))
    assert same(Store(tmp_path, read_only=True).restore(abstract_like(tree()), 1), tree(1))


def test_an_unfinished_save_is_not_a_checkpoint(tmp_path):
    store = Store(tmp_path)
    store.save(1, tree(1))
    store.close()
    shutil.copytree(tmp_path / "1", tmp_path / "2.orbax-checkpoint-tmp")
    assert Store(tmp_path).latest() == 1


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path, asynchronous):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False)
    if done.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        store = Store(disk / "checkpoints", asynchronous=asynchronous)
        store.save(1, tree(1))
        store.wait()
        noise = np.random.default_rng(0).normal(size=2**20).astype(np.float32)

        def save_much():
            store.save(2, {**tree(2), "noise": jnp.asarray(noise)})
            store.wait()

        with pytest.raises(CheckpointError, match=r"step 2 could.*No space.*of step 1: fix that"):
            save_much()
        assert same(Store(disk / "checkpoints").restore(abstract_like(tree()), 1), tree(1))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)

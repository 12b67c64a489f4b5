"""A run that was stopped, killed or moved ends where an uninterrupted one ends."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from interrupting import before_step

from mmjax import cli, main
from mmjax.checkpoints.store import CheckpointError
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train import trainer
from mmjax.train.signals import Interrupted

ROOT = Path(__file__).parents[2]


def train_interrupted(config, folder, number, monkeypatch, kind=signal.SIGTERM):
    """Trains until a signal comes in step `number`."""
    with monkeypatch.context() as patch:
        before_step(patch, number, lambda: os.kill(os.getpid(), kind))
        with pytest.raises(Interrupted) as stopped:
            trainer.train(config, folder, quiet=True)
    return stopped.value


@pytest.fixture(scope="module")
def whole_folder(tiny, tmp_path_factory):
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    trainer.train(tiny(), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def whole(tiny, saved, whole_folder):
    """The arrays at its end."""
    return saved(tiny(), whole_folder)


@pytest.mark.smoke
def test_ctrl_c_saves_and_the_rest_is_the_same(
    tiny, saved, identical, whole, tmp_path, monkeypatch
):
    before = signal.getsignal(signal.SIGINT)
    stopped = train_interrupted(tiny(), tmp_path, 47, monkeypatch, signal.SIGINT)
    assert stopped.code == 128 + signal.SIGINT
    assert signal.getsignal(signal.SIGINT) == before
    assert int(saved(tiny(), tmp_path)[".step"]) == 47
    assert not (tmp_path / "summary.json").exists()
    trainer.train(tiny(), tmp_path, quiet=True)
    assert identical(saved(tiny(), tmp_path), whole) == []
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train/loss" in row] == [20, 40, 60, 80, 100]


def test_the_same_command_after_the_end_changes_nothing(
    tiny, saved, identical, whole, whole_folder, tmp_path
):
    folder = shutil.copytree(whole_folder, tmp_path / "run")
    before = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").unlink()  # as if killed just before it was written
    after = trainer.train(tiny(), folder, quiet=True)
    assert after["step"] == 100
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert "train/loss" in after
    assert (folder / "summary.json").exists()
    assert identical(saved(tiny(), folder), whole) == []


def test_after_a_crash_another_mesh_goes_on_within_1e_5(
    tiny, saved, whole, whole_folder, tmp_path, monkeypatch
):
    def crash():
        raise MemoryError("crash")

    with monkeypatch.context() as patch:
        before_step(patch, 93, crash)
        with pytest.raises(MemoryError):
            trainer.train(tiny("mesh.data=8"), tmp_path, quiet=True)
    assert int(saved(tiny(), tmp_path)[".step"]) == 90
    other = tiny("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")
    trainer.train(other, tmp_path, quiet=True)
    found = saved(other, tmp_path)
    assert found.keys() == whole.keys()
    for name, expected in whole.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5 * scale, err_msg=name)


@pytest.mark.smoke
def test_fsdp_splits_parameters_and_optimizer_state(tiny):
    config = tiny("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")
    mesh = mesh_lib.make_mesh(2, 4, 1)
    plan = state_lib.plan(config, mesh)
    state = state_lib.initial(config, plan)
    batch = {
        name: np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32) for name in "ab"
    }
    batch["id"] = np.arange(64, dtype=np.int32)
    batch |= {f"{name}_present": np.ones(64, bool) for name in "ab"}
    state, _ = step_lib.make(config, plan, mesh)(state, mesh_lib.to_device(batch, mesh))
    # Everything of a parameter's shape, in the parameters and in the optimizer's moments.
    large = [leaf for leaf in jax.tree.leaves((state.params, state.optimizer)) if leaf.size >= 256]
    assert len(large) == 3 * sum(value.size >= 256 for value in state.params.values())
    for leaf in large:
        shards = leaf.addressable_shards
        assert len(shards) == 8
        assert {shard.data.size for shard in shards} == {leaf.size // 4}
        assert len({str(shard.index) for shard in shards}) == 4


def test_another_config_is_refused_with_the_keys_that_differ(tiny, tmp_path, monkeypatch):
    train_interrupted(tiny(), tmp_path, 3, monkeypatch)
    other = tiny("seed=1", "optimizer.learning_rate=0.01")
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: .*; seed: 0 -> 1"):
        trainer.train(other, tmp_path, quiet=True)


def test_a_loss_that_is_no_number_stops_the_run(tiny, saved, tmp_path):
    config = tiny(
        "optimizer.learning_rate=1e36", "optimizer.weight_decay=0.0", "checkpoints.every=1"
    )
    with pytest.raises(trainer.NonFiniteLoss) as stopped:
        trainer.train(config, tmp_path, quiet=True)
    found = re.match(
        r"step (\d+): .*not finite \((.*)\); ids of the batch: (.*?)\.", str(stopped.value)
    )
    step, terms, ids = int(found[1]), found[2], found[3].split(", ")
    for name in ("loss = ", "clip/loss = ", "uniformity/loss = ", "alignment/loss = "):
        assert name in terms
    from mmjax.data import inputs

    expected = inputs.train_data(config.data, None, mesh_lib.make_mesh(), seed=config.seed)[
        step - 1
    ]["id"]
    assert [int(i) for i in ids] == expected.tolist()
    assert int(saved(config, tmp_path)[".step"]) == step - 1


# Orbax's threads that the error ends leave one notice to a loop that is no more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    tiny, saved, identical, whole, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if (
        shutil.which("mount") is None
        or subprocess.run([*mount, "size=8m", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(CheckpointError, match=r"No space left on device.*is of step \d+: fix"):
            trainer.train(tiny("checkpoints.keep_last=9"), disk / "run", quiet=True)
        step = int(saved(tiny(), disk / "run")[".step"])
        assert step >= 15
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        trainer.train(tiny(), disk / "run", quiet=True)
        assert identical(saved(tiny(), disk / "run"), whole) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_damaged_checkpoint_ends_the_run_and_is_passed_over_when_told(
    tiny, command, saved, identical, whole, whole_folder, tmp_path, set_flags
):
    folder = shutil.copytree(whole_folder, tmp_path / "run")
    (folder / "summary.json").unlink()
    file = max((folder / "checkpoints" / "100" / "default").rglob("d/*"), key=os.path.getsize)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{file} is not .*--checkpoint=previous .* 90\)"):
        trainer.train(tiny(), folder, quiet=True)

    _, recipe, overrides = cli.split_config(command(folder))
    set_flags(workdir=folder, checkpoint="previous")
    main.main(recipe, overrides)
    assert identical(saved(tiny(), folder), whole) == []
    assert file.name in (folder / "log.txt").read_text()
    assert (folder / "checkpoints" / "100.damaged").is_dir()


def test_a_checkpoint_under_the_name_of_another_step_is_refused(tiny, whole_folder, tmp_path):
    folder = shutil.copytree(whole_folder, tmp_path / "run")
    (folder / "checkpoints" / "100").rename(folder / "checkpoints" / "95")
    with pytest.raises(CheckpointError, match=r"/95 holds the state of step 100: it was renamed"):
        trainer.train(tiny(), folder, quiet=True)


# --- processes of their own ----------------------------------------------------------------------


def start(words, folder):
    """Starts a training process and waits until it has saved something new."""
    before = checkpoints(folder)
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while process.poll() is None and checkpoints(folder) <= before:
        time.sleep(0.002)
    return process


def checkpoints(folder):
    return {p.name for p in (folder / "checkpoints").glob("*") if p.name.isdigit()}


def saving(folder):
    return any("tmp" in p.name for p in (folder / "checkpoints").glob("*"))


def test_kill_9_during_a_save_and_then_sigterm_lose_nothing(
    tiny, command, saved, identical, whole, tmp_path
):
    process = start(command(tmp_path), tmp_path)
    while process.poll() is None and not saving(tmp_path):
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -signal.SIGKILL, process.stdout.read()
    process.stdout.close()

    process = start(command(tmp_path), tmp_path)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "resuming from step " in said
    assert "Traceback" not in said
    stopped = re.search(r"stopped after step (\d+) by signal 15; saved in .*same command", said)
    assert stopped, said
    assert int(saved(tiny(), tmp_path)[".step"]) == int(stopped[1]) < 100

    trainer.train(tiny(), tmp_path, quiet=True)
    assert identical(saved(tiny(), tmp_path), whole) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_many_times_at_random(tiny, command, saved, identical, whole, tmp_path, seed):
    draw = random.Random(seed)
    kills, during_a_save = 0, 0
    while True:
        process = start(command(tmp_path), tmp_path)
        if draw.random() < 0.5:
            time.sleep(draw.uniform(0, 0.5))
        else:
            while process.poll() is None and not saving(tmp_path):
                time.sleep(0.0005)
            time.sleep(draw.uniform(0, 0.05))
        during_a_save += saving(tmp_path)
        process.kill()
        code = process.wait()
        said = process.stdout.read()
        process.stdout.close()
        if code == 0:
            break
        assert code == -signal.SIGKILL, said
        kills += 1
    assert kills >= 3
    assert during_a_save >= 1
    assert identical(saved(tiny(), tmp_path), whole) == []

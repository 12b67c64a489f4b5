"""Runs of many processes on one machine, started as a user starts them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmjax import config as config_lib
from mmjax.train import trainer

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "configs" / "clip_uniform.py"
SETTINGS = ("log_every=1", "checkpoints.every=6", "evaluators={}", "claim=None")

# The same config, of which a step takes so long that a test can meet the run in the middle.
UNHURRIED = f"""
import importlib.util, time
from mmjax.train import step

spec = importlib.util.spec_from_file_location("recipe", {str(RECIPE)!r})
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)
get_config, make = recipe.get_config, step.make

def slow(*args):
    call = make(*args)
    return lambda *now: (time.sleep(0.25), call(*now))[1]

step.make = slow
"""


def launch(processes, devices, folder, *overrides, recipe=RECIPE):
    """Starts `launch/local.sh` on the small recipe; the shape is processes x devices."""
    environment = {**os.environ, "DEVICES": str(devices), "PYTHON": sys.executable, "XLA_FLAGS": ""}
    settings = [f"--config.{override}" for override in (*SETTINGS, *overrides)]
    return subprocess.Popen(
        [ROOT / "launch" / "local.sh", str(processes), f"--workdir={folder}",
         f"--config={recipe}:claim", *settings],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process, code=0, seconds=300):
    """Waits for the end and returns what was said."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise
    assert process.returncode == code, said
    return said


def losses(folder):
    """The training loss of every step, in order."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "train/loss" in row]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return np.array([row["train/loss"] for row in rows])


def wait_for(process, path, seconds=240):
    """Waits until a path is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def children(process):
    """The pids of the training processes that a launcher started, in the order of their indices."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            environment = (entry.parent / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == process.pid:
            index = [v for v in environment if v.startswith(b"JAX_PROCESS_ID=")]
            if index:
                found[int(index[0].partition(b"=")[2])] = int(entry.parent.name)
    return [found[index] for index in sorted(found)]


@pytest.fixture
def unhurried(tmp_path):
    path = tmp_path / "unhurried.py"
    path.write_text(UNHURRIED)
    return path


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    """Losses of 20 steps in this process, on eight devices."""
    folder = tmp_path_factory.mktemp("one")
    config = config_lib.load(f"{RECIPE}:claim", (*SETTINGS, "steps=20"))
    trainer.train(config, folder, quiet=True)
    return losses(folder)


def test_two_processes_train_as_one_does(tmp_path, curve):
    said = finish(launch(2, 1, tmp_path, "steps=5"))
    assert "2 x cpu in 2 process(es)" in said
    np.testing.assert_allclose(losses(tmp_path), curve[:5], rtol=1e-5)
    assert (tmp_path / "summary.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "devices"), [(1, 8), (2, 4), (4, 2)])
def test_loss_curves_of_three_shapes_agree(tmp_path, curve, processes, devices):
    said = finish(launch(processes, devices, tmp_path, "steps=20"))
    assert f"8 x cpu in {processes} process(es)" in said
    found = losses(tmp_path)
    assert len(found) == 20
    np.testing.assert_allclose(found, curve, rtol=1e-5)


@pytest.mark.slow
def test_stopped_on_one_shape_and_resumed_on_two_others(tmp_path, curve, unhurried):
    folder = tmp_path / "run"
    stops = []
    for processes, devices, mesh, kind in (
        (2, 4, "mesh.fsdp=4", signal.SIGTERM), (4, 2, "mesh.fsdp=2", signal.SIGINT),
    ):  # fmt: skip
        run = launch(processes, devices, folder, "steps=20", mesh, "mesh.fsdp_min_size=64",
                     recipe=unhurried)  # fmt: skip
        wait_for(run, folder / "checkpoints" / str(6 * (1 + len(stops))))
        run.send_signal(kind)
        said = finish(run, 128 + signal.SIGTERM)
        stopped = re.search(r"stopped after step (\d+) by .*run the same command to go on", said)
        assert stopped, said
        assert "Traceback" not in said
        stops.append(int(stopped[1]))
    assert 6 <= stops[0] < stops[1] < 20
    said = finish(launch(1, 8, folder, "steps=20", recipe=unhurried))
    assert f"going on from step {stops[1]}" in said
    np.testing.assert_allclose(losses(folder), curve, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_process_is_killed_the_others_say_so_and_the_run_resumes(
    tmp_path, unhurried, victim
):
    folder = tmp_path / "run"
    run = launch(3, 1, folder, "steps=18", "data.batch_size=63", recipe=unhurried)
    wait_for(run, folder / "checkpoints" / "6")
    os.kill(children(run)[victim], signal.SIGKILL)
    begin = time.monotonic()
    said = finish(run, 128 + signal.SIGKILL)
    assert time.monotonic() - begin < 60
    assert "did not notice" not in said
    for other in {0, 1, 2} - {victim}:
        assert re.search(rf"process {other} lost another process of the run", said), said
    said = finish(launch(3, 1, folder, "steps=18", "data.batch_size=63", recipe=unhurried))
    assert re.search(r"going on from step (6|12)", said), said
    whole = tmp_path / "whole"
    finish(launch(3, 1, whole, "steps=18", "data.batch_size=63"))
    np.testing.assert_array_equal(losses(folder), losses(whole))

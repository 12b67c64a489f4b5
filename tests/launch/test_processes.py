"""Runs of many processes on one machine, started as a user starts them."""

import json
import os
import re
import signal
import time

import numpy as np
import pytest
from launching import RECIPE, ROOT, SETTINGS

from mmjax import recipe as recipe_lib
from mmjax.train import trainer

LOCAL = ROOT / "launch" / "local.sh"
UNREADABLE = ROOT / "tests" / "train" / "unreadable.py"


@pytest.fixture
def launch(start):
    """`launch(processes, devices, folder, ...)` starts launch/local.sh."""

    def run(processes, devices, *args, **options):
        return start([LOCAL, processes], *args, **options, DEVICES=str(devices))

    return run


@pytest.fixture(scope="module")
def curve(tmp_path_factory, losses):
    """Losses of 20 steps in this process, on eight devices."""
    folder = tmp_path_factory.mktemp("one")
    config = recipe_lib.load(f"{RECIPE}:latent", (*SETTINGS, "steps=20"))
    trainer.train(config, folder, quiet=True)
    return losses(folder)


# 700 rows in batches of 256, of which each process reads its half: the last window is no full one.
MEASURED = (
    "steps=5",
    "evaluators={'retrieval': {'test': {'source': {'type': 'gaussian_latent', 'dim': 32, "
    "'noise': 0.5, "
    "'split': 'test', 'examples': 700}, 'pairs': (('a', 'b'),)}}}",
)


def test_two_processes_train_and_evaluate_as_one_does(launch, finish, losses, tmp_path, curve):
    folder, alone = tmp_path / "two", tmp_path / "one"
    said = finish(launch(2, 1, folder, *MEASURED))
    assert "2 x cpu in 2 process(es)" in said
    np.testing.assert_allclose(losses(folder), curve[:5], rtol=1e-5)
    trainer.train(recipe_lib.load(f"{RECIPE}:latent", (*SETTINGS, *MEASURED)), alone, quiet=True)
    found, wanted = (json.loads((f / "summary.json").read_text()) for f in (folder, alone))
    names = [name for name in wanted if name.startswith("retrieval/test/")]
    assert len(names) > 5
    for name in names:
        assert found[name] == pytest.approx(wanted[name], rel=0.02, abs=2 / 700), name


def test_rows_that_one_process_cannot_read_end_the_run_in_all(launch, finish, tmp_path):
    """At the same step, with the reasons that only that process knows; nobody waits for it."""
    bad = ("steps=24", "data.source.percent=100", "data.source.process=1")
    said = finish(launch(2, 1, tmp_path, *bad, recipe=UNREADABLE), 2)
    assert "Traceback" not in said
    assert re.search(
        r"step 2: 64 of the 128 rows so far cannot be used.* x a: the file … does not exist", said
    )
    found = [json.loads(line) for line in (tmp_path / "bad_rows.jsonl").read_text().splitlines()]
    assert len(found) >= 64


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "devices"), [(1, 8), (2, 4), (4, 2)])
def test_loss_curves_of_three_shapes_agree(
    launch, finish, losses, tmp_path, curve, processes, devices
):
    said = finish(launch(processes, devices, tmp_path, "steps=20"))
    assert f"8 x cpu in {processes} process(es)" in said
    found = losses(tmp_path)
    assert len(found) == 20
    np.testing.assert_allclose(found, curve, rtol=1e-5)


@pytest.mark.slow
def test_stopped_on_one_shape_and_resumed_on_two_others(
    launch, finish, wait_for, losses, tmp_path, curve, unhurried
):
    folder = tmp_path / "run"
    stops = []
    for processes, devices, mesh, kind in (
        (2, 4, "mesh.fsdp=4", signal.SIGTERM),
        (4, 2, "mesh.fsdp=2", signal.SIGINT),
    ):
        run = launch(
            processes, devices, folder, "steps=20", mesh, "mesh.fsdp_min_size=64", recipe=unhurried
        )
        wait_for(run, folder / "checkpoints" / str(6 * (1 + len(stops))))
        run.send_signal(kind)
        said = finish(run, 128 + signal.SIGTERM)
        stopped = re.search(r"stopped after step (\d+) by .*run the same command to resume", said)
        assert stopped, said
        assert "Traceback" not in said
        stops.append(int(stopped[1]))
    assert 6 <= stops[0] < stops[1] < 20
    said = finish(launch(1, 8, folder, "steps=20", recipe=unhurried))
    assert f"resuming from step {stops[1]}" in said
    np.testing.assert_allclose(losses(folder), curve, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_process_is_killed_the_others_say_so_and_the_run_resumes(
    launch, finish, wait_for, workers, losses, tmp_path, unhurried, victim
):
    folder = tmp_path / "run"
    run = launch(3, 1, folder, "steps=18", "data.batch_size=63", recipe=unhurried)
    wait_for(run, folder / "checkpoints" / "6")
    os.kill(workers(run.pid, "JAX_PROCESS_ID")[victim], signal.SIGKILL)
    begin = time.monotonic()
    said = finish(run, 128 + signal.SIGKILL)
    assert time.monotonic() - begin < 60
    assert "did not notice" not in said
    assert f"launch/local.sh: process {victim} ended by signal 9; the others end, too" in said
    for other in {0, 1, 2} - {victim}:
        # Without process 0, which serves the others, the runtime may speak before we can.
        own = rf"process {other} lost another process of the run"
        runtime = rf"\[{other}\] .* indicates that another task died" if victim == 0 else own
        assert re.search(f"{own}|{runtime}", said), said
    said = finish(launch(3, 1, folder, "steps=18", "data.batch_size=63", recipe=unhurried))
    assert re.search(r"resuming from step (6|12)", said), said
    whole = tmp_path / "whole"
    finish(launch(3, 1, whole, "steps=18", "data.batch_size=63"))
    np.testing.assert_array_equal(losses(folder), losses(whole))

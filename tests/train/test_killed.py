"""A run that dies anywhere leaves, once resumed, the files of a run that nothing happened to."""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mmjax.checkpoints.store import Store
from mmjax.data.records import BadExample
from mmjax.data.report import BadRows
from mmjax.data.rows import SourceRows
from mmjax.report import page
from mmjax.report.results import SPEED
from mmjax.system.embedder import Embedder
from mmjax.train import trainer
from mmjax.train.evaluation import Evaluation
from mmjax.train.metrics import MetricWriter
from mmjax.train.signals import Interrupted

ROOT = Path(__file__).parents[2]
METRIC = "geometry/test/alignment"
TEST = {"source": {"like": "data.source", "split": "test", "examples": 64}, "pair": ("a", "b")}
# No two of the numbers divide each other, so that a run is stopped between any two of them.
SETTINGS = (
    "steps=14",
    "log_every=5",
    "evaluate_every=4",
    "checkpoints.every=3",
    "data.source.examples=320",
    f"evaluators={ {'geometry': {'test': TEST}}!r}",
)
BEST = (
    "evaluate_every=3",
    "checkpoints.keep_best=1",
    "checkpoints.keep_last=1",
    f"checkpoints.metric={METRIC}",
    "checkpoints.mode=min",
)


class Killed(BaseException):
    """The process is no more."""


# What changes files, in the order of a run; `os.fsync` is where a file begins to be on the disk.
CHANGES = (
    (os, "replace"),
    (os, "fsync"),
    (MetricWriter, "write"),
    (BadRows, "_write"),
    (Store, "save"),
    (Store, "wait"),
    (Evaluation, "__call__"),
)


@contextlib.contextmanager
def killed_at(point):
    """Raises at the `point`-th moment before or after a change of a file; gives their number."""
    counted = [0]

    def moment():
        if threading.current_thread() is not threading.main_thread():
            return
        if counted[0] == point:
            patch.undo()  # what a process does while it ends would not have happened
            raise Killed
        counted[0] += 1

    def around(function):
        def called(*args, **keys):
            moment()
            result = function(*args, **keys)
            moment()
            return result

        return called

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CHANGES:
            patch.setattr(owner, name, around(getattr(owner, name)))
        yield counted


@pytest.fixture(autouse=True)
def some_rows_are_bad(monkeypatch):
    get = SourceRows.__getitem__

    def bad(self, index):
        if index % 211 == 7:
            return index, BadExample(f"row {index}", "a", "it is bad")
        return get(self, index)

    monkeypatch.setattr(SourceRows, "__getitem__", bad)


def outputs(folder):
    """What a run's files hold, times aside."""

    def numbers(text):
        names = ("seconds", *SPEED, *(f"train/{name}" for name in SPEED))
        return [(n, v) for n, v in json.loads(text).items() if n not in names]

    store = Store(folder / "checkpoints", metric=METRIC, mode="min")
    store.close()
    return {
        "metrics": [*map(numbers, (folder / "metrics.jsonl").read_text().splitlines())],
        "summary": numbers((folder / "summary.json").read_text()),
        "bad rows": bad.read_text() if (bad := folder / "bad_rows.jsonl").exists() else None,
        "checkpoints": (store.best(), store.latest()),
    }


@pytest.fixture(scope="module")
def made(tiny, saved, tmp_path_factory):
    """`made(*overrides)`: (config, moments, outputs, arrays) of a run that nothing happens to."""
    found = {}

    def make(*overrides):
        if overrides not in found:
            config, folder = tiny(*SETTINGS, *overrides), tmp_path_factory.mktemp("whole")
            with killed_at(-1) as moments:
                trainer.train(config, folder, quiet=True)
            found[overrides] = config, moments[0], outputs(folder), saved(config, folder)
        return found[overrides]

    return make


def torn(folder):
    """As if lines had been on their way to the disk."""
    for name in ("metrics.jsonl", "bad_rows.jsonl"):
        if (folder / name).is_file():
            with open(folder / name, "a", encoding="utf-8") as file:
                file.write('{"step": 3, "key": "ro')


def check(config, folder, expected, arrays, saved, identical):
    trainer.train(config, folder, quiet=True)
    assert outputs(folder) == expected
    assert identical(saved(config, folder), arrays) == []


# Of all moments: when the files have rows of steps after the last checkpoint, and then early.
SHARES = [(0.75, 0.1)]
SHARES += [(draw.random(), draw.random() / 3) for draw in map(random.Random, range(20))]


@pytest.mark.parametrize("kept", [(), BEST], ids=["last", "best"])
@pytest.mark.parametrize(
    "shares",
    [pytest.param(each, marks=pytest.mark.slow if n else ()) for n, each in enumerate(SHARES)],
)
def test_a_run_that_dies_between_any_two_changes_of_files(
    kept, shares, made, saved, identical, tmp_path
):
    config, moments, *whole = made(*kept)
    for share in shares:
        with contextlib.suppress(Killed), killed_at(int(share * moments)):
            trainer.train(config, tmp_path, quiet=True)
        torn(tmp_path)
    check(config, tmp_path, *whole, saved, identical)


@pytest.mark.parametrize("where", ["evaluation", "report"])
def test_sigterm_outside_of_the_steps_saves_and_stops(
    where, made, saved, identical, tmp_path, monkeypatch, capfd
):
    """Of an evaluation with `keep_best`, whose checkpoint has no metric yet; or of the report."""
    config, _, *whole = made(*BEST)
    calls = []

    def signalled(function):
        def called(*args, **keys):
            calls.append(0)
            if len(calls) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return function(*args, **keys)

        return called

    with monkeypatch.context() as patch:
        owner, name = (Embedder, "begin") if where == "evaluation" else (page, "write")
        patch.setattr(owner, name, signalled(getattr(owner, name)))
        with pytest.raises(Interrupted) as stopped:
            trainer.train(config, tmp_path)
    assert stopped.value.code == 128 + signal.SIGTERM
    step = 3 if where == "evaluation" else 14
    said = capfd.readouterr().out
    assert f"stopped after step {step} by signal 15; saved in {tmp_path}: run the same" in said
    assert len(calls) == 1
    assert int(saved(config, tmp_path)[".step"]) == step
    assert not (tmp_path / "summary.json").exists()
    check(config, tmp_path, *whole, saved, identical)


def test_checkpoints_of_earlier_versions_resume(tiny, tmp_path, monkeypatch, capfd):
    """They keep nothing beside the state."""
    config = tiny(*SETTINGS)
    save = Store.save
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Store, "save", lambda self, step, state, *_: save(self, step, state))
        patch.setattr(Evaluation, "__call__", lambda *_: (_ for _ in ()).throw(Killed))
        trainer.train(config, tmp_path, quiet=True)
    trainer.train(config, tmp_path)
    assert "resuming from step 3" in (said := capfd.readouterr().out)
    assert "its checkpoint is of an earlier version" in said
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train/loss" in row] == [5, 10, 14]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_processes_killed_at_random(seed, command, tiny, saved, identical, tmp_path):
    """With signals that nothing can catch, and those that a run answers, also while it starts."""
    draw, settings = random.Random(seed), (*SETTINGS, *BEST, "steps=60")
    config, whole = tiny(*settings), tmp_path / "whole"
    begin = time.monotonic()
    subprocess.run(command(whole, *settings), cwd=ROOT, check=True, capture_output=True)
    seconds, folder, kills = time.monotonic() - begin, tmp_path / "run", 0
    while not (folder / "summary.json").exists():
        with subprocess.Popen(
            command(folder, *settings),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.2, 1.2) * seconds)
            process.send_signal(number)
            said, _ = process.communicate(timeout=300)
            kills += process.returncode != 0
            allowed = {0, -number if number == signal.SIGKILL else 128 + number}
            if (folder / "summary.json").exists():  # all is done, and Python ends without handlers
                allowed.add(-number)
            assert process.returncode in allowed, said
            assert "Traceback" not in said
    assert kills
    assert outputs(folder) == outputs(whole)
    assert identical(saved(config, folder), saved(config, whole)) == []

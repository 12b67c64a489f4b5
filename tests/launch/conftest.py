"""What starts and watches runs of many processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launching import RECIPE, ROOT, SETTINGS, UNHURRIED

# Before a command: where the tests run in the background of a script, SIGINT is ignored, and what
# they start would inherit that.
NOTICES_INTERRUPTS = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])",
)


@pytest.fixture
def unhurried(tmp_path):
    """A recipe file whose steps take half a second."""
    path = tmp_path / "unhurried.py"
    path.write_text(UNHURRIED)
    return path


@pytest.fixture
def start():
    """`start(words, folder, "key=value", ..., recipe=, **environment)`: a launcher with a run."""
    started = []

    def run(words, folder, *overrides, recipe=RECIPE, **environment):
        settings = [f"--config.{override}" for override in (*SETTINGS, *overrides)]
        process = subprocess.Popen(
            [
                *NOTICES_INTERRUPTS,
                *map(str, words),
                f"--workdir={folder}",
                f"--config={recipe}:latent",
                *settings,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHON": sys.executable, "XLA_FLAGS": "", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()


@pytest.fixture
def finish():
    """`finish(process, code=0)` waits for the end and returns what was said."""

    def wait(process, code=0, seconds=300):
        said, _ = process.communicate(timeout=seconds)
        assert process.returncode == code, said
        return said

    return wait


@pytest.fixture
def wait_for():
    """`wait_for(process, path)` waits until a path is there."""

    def wait(process, path, seconds=240):
        end = time.monotonic() + seconds
        while not path.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def losses():
    """`losses(folder)`: the training loss of every step, in order."""

    def read(folder):
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        rows = [row for row in rows if "train/loss" in row]
        assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
        return np.array([row["train/loss"] for row in rows])

    return read


@pytest.fixture
def workers():
    """`workers(pid, name)`: pids of descendants that have `name` set, by its value."""

    def find(pid, name):
        parents, found = {}, {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                rest = entry.read_text().rpartition(")")[2]
                parents[int(entry.parent.name)] = int(rest.split()[1])
                words = (entry.parent / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            values = [word for word in words if word.startswith(name.encode() + b"=")]
            if values:
                found[int(entry.parent.name)] = int(values[0].partition(b"=")[2])

        def below(one):
            while one in parents and one != pid:
                one = parents[one]
            return one == pid

        return [one for one in sorted(found, key=found.get) if below(one)]

    return find

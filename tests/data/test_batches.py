"""Worker processes: the same batches, errors in sentences, and no process left behind."""

import collections
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from mmjax.data import TrainData, WorkerDied
from mmjax.data.sources import MemorySource
from mmjax.data.views import ImageView, VectorView

VIEW = {
    "image": ImageView(size=80, crop_scale=(0.5, 1), flip=0.5, brightness=0.3),
    "number": VectorView(dim=3, noise=0.5),
}
RNG = np.random.default_rng(0)
SOURCE = MemorySource(
    data={
        "image": [RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8) for _ in range(37)],
        "number": list(RNG.normal(size=(37, 3))),
    }
)


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def started(count):
    """The worker processes, as soon as they are there; no batch has to be asked for."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = [p for p in multiprocessing.active_children() if "grain" in p.name]
        if len(found) == count:
            return found
        time.sleep(0.01)
    raise AssertionError("they never started")


@pytest.mark.smoke
def test_workers_make_the_same_batches_whatever_signals_they_get():
    plain = TrainData(SOURCE, VIEW, batch_size=8, seed=5)
    data = TrainData(SOURCE, VIEW, batch_size=8, seed=5, workers=2)
    batches = data.iter_from(3)
    workers = started(2)
    for steps in (range(3, 9), range(9, 15)):  # while they start, and later
        for worker in workers:  # as Ctrl-C and a scheduler do to the whole group
            os.kill(worker.pid, signal.SIGINT)
            os.kill(worker.pid, signal.SIGTERM)
        for k in steps:
            same(next(batches), plain[k])
    batches.close()
    assert not any(worker.is_alive() for worker in workers)
    with pytest.raises(StopIteration):
        next(batches)


def test_a_killed_worker_is_an_error_in_a_sentence():
    data = TrainData(SOURCE, VIEW, batch_size=8, seed=5, workers=1, prefetch=1)
    batches = data.iter_from(0)
    next(batches)
    (worker,) = [p for p in multiprocessing.active_children() if "grain" in p.name]
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r"SIGKILL.*out of memory"):
        collections.deque(batches, maxlen=0)
    batches.close()


def test_workers_of_a_program_started_with_m_pass_on_errors_and_end_with_it(tmp_path):
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""
        import os, sys
        import numpy as np
        from mmjax.data import BadExample, TrainData
        from mmjax.data.sources import MemorySource
        from mmjax.data.views import VectorView

        if __name__ == "__main__":
            rows = [np.ones(3)] * 7 + [np.full(3, np.nan)]
            source = MemorySource(data={"number": rows}, name="table")
            data = TrainData(source, {"number": VectorView(dim=3)}, batch_size=4, seed=0,
                             workers=1, on_error="fail")
            batches = data.iter_from(0)
            try:
                for _ in range(3):
                    next(batches)
            except BadExample as error:
                print(error)
            batches.close()
            lasting = TrainData(source, {"number": VectorView(dim=3)}, batch_size=4, seed=0,
                                workers=1).iter_from(0)
            next(lasting)
            import multiprocessing
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
            os.kill(os.getpid(), 9)
        """)
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    run = subprocess.run(
        [sys.executable, "-m", "program"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"},
    )
    error, pid = run.stdout.strip().split("\n")
    assert error == "table row 7: number: it holds NaN or infinite numbers.", run.stderr
    assert run.returncode == -signal.SIGKILL
    # The output closes when the last process that has it ends, so the worker is gone by now.
    assert not os.path.exists(f"/proc/{pid}") or _is_zombie(pid)


def _is_zombie(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"

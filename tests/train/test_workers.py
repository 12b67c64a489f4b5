"""Processes that call a function: their results, their errors, and how they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy  # noqa: F401, its BLAS counts CPUs when it is imported
import pytest
from threadpoolctl import threadpool_info

from mmjax.errors import ConfigError
from mmjax.train import workers
from mmjax.train.signals import StopSignals


def where(number, seconds=0.2):
    time.sleep(seconds)
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return number, os.getpid(), cpus, os.environ["GLIBC_TUNABLES"]


def blas_threads():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def fail(how, waited):
    if how == "wait":
        time.sleep(300)
        waited.touch()
        return
    if how == "mistake":
        raise ConfigError("key 'a' is wrong")
    if how == "bug":
        raise KeyError("lost")
    os.kill(os.getpid(), signal.SIGKILL)


def train(folder, name):
    """Like a run: remembers a signal and saves before it stops."""
    with StopSignals() as signals:
        (folder / f"{name}.pid").write_text(str(os.getpid()))
        for step in range(600):
            time.sleep(0.1)
            if signals.stop_after(step):
                (folder / f"{name}.saved").write_text("saved")
                return
    raise AssertionError("nobody stopped it")


def test_every_call_has_its_result_and_every_process_its_cpus(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    with workers.Workers(2, where) as pool:
        for process in multiprocessing.active_children():  # a terminal's Ctrl-C goes to all
            os.kill(process.pid, signal.SIGINT)
        found = dict(pool.map({f"call {i}": (i,) for i in range(5)}))
    assert {key: result[0] for key, result in found.items()} == {f"call {i}": i for i in range(5)}
    by_process = {pid: cpus for _, pid, cpus, _ in found.values()}
    assert {result[3] for result in found.values()} == {"glibc.malloc.hugetlb=1"}
    assert os.getpid() not in by_process
    assert len(by_process) == 2
    if hasattr(os, "sched_getaffinity") and len(workers.cpus()) >= 2:
        one, other = by_process.values()
        assert not one & other
        assert one | other == set(workers.cpus())


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(workers.cpus()) < 2, reason="needs two CPUs"
)
def test_blas_has_no_more_threads_than_a_process_has_cpus(monkeypatch):
    """NumPy, which this file imports, counts CPUs before a call could limit them."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before, count = workers.cpus(), len(workers.cpus())
    with workers.Workers(count, blas_threads) as pool:
        found = dict(pool.map(dict.fromkeys(range(count), ())))
    assert all(threads and set(threads) == {1} for threads in found.values()), found
    assert workers.cpus() == before


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("mistake", 2, "key 'a' is wrong"),
        ("bug", None, "KeyError: 'lost'"),
        ("killed", 1, "ended with code -9 before it had answered; a machine out of memory"),
    ],
)
def test_a_call_that_fails_says_why_and_ends_the_others(tmp_path, how, code, message):
    waited = tmp_path / "waited"
    with pytest.raises(workers.WorkerFailed) as caught, workers.Workers(2, fail) as pool:
        list(pool.map({"long": ("wait", waited), "wrong": (how, waited)}))
    assert not waited.exists()
    assert caught.value.exit_code == code
    assert message in str(caught.value)


PROGRAM = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_workers import train
from mmjax.train.workers import Workers

if __name__ == "__main__":
    # A shell that runs tests in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path({folder!r})
    with Workers(2, train) as pool:
        list(pool.map({{name: (folder, name) for name in "ab"}}))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_parent_alone_lets_every_process_save(tmp_path, number):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(program)])
    try:
        _until(lambda: all((tmp_path / f"{name}.pid").is_file() for name in "ab"))
        time.sleep(0.3)
        parent.send_signal(number)
        code = parent.wait(timeout=60)
    finally:
        parent.kill()
    assert code == (-9 if number == signal.SIGKILL else 128 + number)
    _until(lambda: all((tmp_path / f"{name}.saved").is_file() for name in "ab"))


def _until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)

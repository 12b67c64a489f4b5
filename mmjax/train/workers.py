"""Parallel calls on one machine, each in a process with its own CPUs.

A small model leaves two cores half idle or makes them wait for each other; as many models as there
are cores, each on one, finish in half the time (docs/benchmarks.md).
"""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from multiprocessing import connection
from types import FrameType
from typing import Any, TypeVar, cast

from mmjax.errors import UserError, exit_code
from mmjax.parallel.compiler import HUGE_PAGES
from mmjax.processes import end_with_parent, shielded_from
from mmjax.train.signals import Interrupted

K = TypeVar("K", bound=Hashable)


class WorkerFailed(UserError, RuntimeError):
    """What a call in another process raised, or how that process ended.

    Attributes:
      exit_code: of the error; None where the message is a trace.
    """

    def __init__(self, message: str, code: int | None):
        super().__init__(message)
        self.exit_code = code


def cpus() -> list[int]:
    """The numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))  # macOS has no affinity: its processes share all


@contextlib.contextmanager
def _on(part: list[int]) -> Iterator[None]:
    """This thread, and so a process that it starts, runs on these CPUs only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, part)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Workers:
    """Processes that call a function, between `with` and its end.

    At an error, SIGTERM or Ctrl-C what still runs is asked to stop (a training saves) and waited
    for.

    Args:
      count: of processes; the CPUs are divided among them.
      function: importable by name, since every process is a new interpreter; so are its arguments
        and results.
    """

    def __init__(self, count: int, function: Callable[..., Any]):
        context, own = multiprocessing.get_context("spawn"), cpus()
        os.environ.update({**HUGE_PAGES, **os.environ})
        self._processes: dict[connection.Connection, Any] = {}
        for index in range(count):
            pipe, theirs = context.Pipe()
            # Where there are more processes than CPUs, some share one.
            part = own[index::count] or [own[index % len(own)]]
            process = context.Process(target=_serve, args=(theirs, function))
            # Bound to its CPUs from its birth: BLAS and XLA make as many threads as they find CPUs,
            # BLAS while NumPy is imported. More threads than CPUs wait for each other.
            # It hears of a Ctrl-C by a SIGTERM of this process.
            with shielded_from(signal.SIGINT), _on(part):
                process.start()
            theirs.close()
            self._processes[pipe] = process
        self._working: dict[connection.Connection, Any] = {}
        self._received: int | None = None
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "Workers":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        for pipe, process in self._processes.items():
            if pipe in self._working:
                process.terminate()
            pipe.close()
        for process in self._processes.values():
            process.join()

    def map(self, tasks: Mapping[K, tuple[Any, ...]]) -> Iterator[tuple[K, Any]]:
        """(key, the function's result) of every `key: arguments`, as they finish.

        Raises:
          WorkerFailed: as soon as one call fails.
          Interrupted: when one was stopped by a signal of its own, or one came here.
        """
        waiting, idle = deque(tasks.items()), list(self._processes)
        while waiting or self._working:
            while waiting and idle:
                key, arguments = waiting.popleft()
                pipe = idle.pop(0)
                pipe.send(arguments)
                self._working[pipe] = key
            # In turns, since a signal does not end the waiting.
            ready = cast("list[connection.Connection]", connection.wait(self._working, 0.2))
            if self._received is not None:
                raise Interrupted(self._received)
            for pipe in ready:
                key = self._working.pop(pipe)
                result = self._answer(pipe)
                idle.append(pipe)
                yield key, result

    def _answer(self, pipe: connection.Connection) -> Any:
        try:
            kind, answer = pipe.recv()
        except EOFError:
            process = self._processes[pipe]
            process.join()
            advice = "; a machine out of memory ends processes so: run fewer at once"
            raise WorkerFailed(
                f"process {process.pid} ended with code {process.exitcode} before it had answered"
                f"{advice if process.exitcode == -signal.SIGKILL else ''}",
                1,
            ) from None
        if kind == "result":
            return answer
        if kind == "interrupted":
            raise Interrupted(answer)
        raise WorkerFailed(*answer)

    def _interrupted(self, number: int, _: FrameType | None) -> None:
        signal.signal(number, self._old[number])  # a second one ends this process at once
        os.write(2, b"\nwill save and stop what runs; a second signal stops at once\n")
        self._received = number


def _serve(pipe: connection.Connection, function: Callable[..., Any]) -> None:
    """A process: calls what it is told until the pipe ends."""
    end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))  # a training saves
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = "result", function(*arguments)
        except Interrupted as stop:
            answer = "interrupted", stop.number
        except Exception as error:
            # Not the error itself: an exception is not always made anew by its arguments.
            code = exit_code(error)
            text = traceback.format_exc() if code is None else str(error)
            answer = "error", (text, code)
        try:
            pipe.send(answer)
        except BrokenPipeError:  # nobody waits for it any more
            return

"""Programs that cannot share a process take turns: each in one of its own, one running at a time.

So frameworks with thread pools of their own are compared fairly, and the peak memory of each is its
own. The parent (`Worker`) says what to run; the child (`serve`) runs it and says how long it took.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmjax.parallel.compiler import HUGE_PAGES

_MARK = "mmjax-bench "  # before what is said to the parent; libraries print what they like


class WorkerError(RuntimeError):
    """A child process ended before it had answered; the message has its last words."""


class Worker:
    """A child process that runs named functions when told.

    Args:
      module: to be run as `python -m module arguments...`; it calls `serve`.
      arguments: for the module.
      variables: of its environment, beside those of this process.

    Attributes:
      about: what the child says of itself once it is ready.
      names: what it can run.

    Raises:
      WorkerError: the child ends before it is ready.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None
    ):
        self._command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            self._command,
            env={**HUGE_PAGES, **(variables or {}), **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        hello = self._answer()
        self.about, self.names = hello["about"], hello["names"]

    def run(self, name: str) -> tuple[float, float]:
        """(seconds on the clock, CPU seconds of all of the child's threads) that `name` takes now.

        On a machine that does other work too, the second is the one that can be compared.
        """
        answer = self._ask(name)
        return answer["seconds"], answer["cpu"]

    def peak(self) -> int:
        """The most bytes of memory that the child has had since it was ready: of main memory, or of
        its device's, as it says.
        """
        return int(self._ask("peak")["bytes"])

    def close(self) -> None:
        self._to.close()
        self._process.wait()

    def _ask(self, name: str) -> dict[str, Any]:
        self._to.write(name + "\n")
        self._to.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        said = []
        for line in self._from:
            if line.startswith(_MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(_MARK))
                return answer
            said.append(line)
        code = self._process.wait()
        raise WorkerError(
            f"{' '.join(self._command[1:])} ended with code {code} before it had answered: "
            f"{''.join(said[-3:]).strip() or 'see what it wrote to standard error'}"
        )


def serve(
    about: Mapping[str, Any],
    functions: Mapping[str, Callable[[], Any]],
    device_peak: Callable[[], int] | None = None,
) -> None:
    """The child's side: runs each function once, then what the parent names until it closes.

    Args:
      about: what to say of this process.
      functions: name -> function that returns when its work is done.
      device_peak: the most bytes of a device's memory that the process has had, which is then what
        the parent asks for; None for main memory.
    """
    for function in functions.values():
        function()
    since = _forget_peak() if device_peak is None else "of the device, of the whole process"
    _say(about={**about, "peak memory": since}, names=list(functions))
    for line in sys.stdin:
        name = line.strip()
        if name == "peak":
            _say(bytes=_peak(since) if device_peak is None else device_peak())
            continue
        begin, used = time.perf_counter(), time.process_time()
        functions[name]()
        _say(seconds=time.perf_counter() - begin, cpu=time.process_time() - used)


def _say(**message: Any) -> None:
    print(_MARK + json.dumps(message), flush=True)


def _forget_peak() -> str:
    """Linux can start the peak anew, so that compiling and warming up are not in it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return "of the whole process"
    return "of the timed steps"


def _peak(since: str) -> int:
    if since == "of the timed steps":
        status = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    scale = 1 if sys.platform == "darwin" else 1024
    return scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

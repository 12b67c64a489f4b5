"""SIGTERM and Ctrl-C ask a run to save and end; a second one ends it at once."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import jax
from jax.experimental import multihost_utils

# What `signal.signal` takes and gives back.
Handler = Callable[[int, FrameType | None], Any] | int | None


class Interrupted(SystemExit):
    """The run was asked to stop and has saved; the exit code is the shell's 128 + signal."""

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.number = number


class StopSignals:
    """While entered, the first SIGTERM or SIGINT is remembered instead of ending the process.

    Remembered and not raised: an exception that comes from nowhere may end up in a callback of
    jax's garbage collection, where it is printed and lost.

    In a run of many processes SIGTERM belongs to jax's preemption service, which tells the other
    processes and finds a step that none of them has passed; Ctrl-C is handed on as a SIGTERM.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._old: dict[int, Handler] = {}
        self._many = jax.process_count() > 1

    def __enter__(self) -> "StopSignals":
        # Handlers can only be set from the main thread; elsewhere (a notebook's worker, a test)
        # the process keeps its own.
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGINT,) if self._many else (signal.SIGINT, signal.SIGTERM)
            for number in numbers:
                self._old[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def stop_after(self, step: int) -> int | None:
        """The signal because of which to stop after this step, the same in all processes.

        Has to be asked after every step.
        """
        if self._many:
            return signal.SIGTERM if multihost_utils.reached_preemption_sync_point(step) else None
        return self._received

    def check(self) -> None:
        """Ends what is done between steps, such as an evaluation, when a signal has come.

        Many processes agree on steps alone: they go on to the next.

        Raises:
          Interrupted: with nothing saved.
        """
        if self._received is not None and not self._many:
            raise Interrupted(self._received)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._received = number
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        # Not by the logger: it may be in the middle of a line.
        os.write(2, f"\n{name}: will save and stop; a second one stops at once\n".encode())
        signal.signal(number, self._old[number])
        if self._many:
            os.kill(os.getpid(), signal.SIGTERM)

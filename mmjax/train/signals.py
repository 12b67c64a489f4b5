"""SIGTERM and Ctrl-C ask a run to save and end; a second one ends it at once."""

import signal
import threading
from types import FrameType


class Interrupted(SystemExit):
    """The run was asked to stop and has saved; the exit code is the shell's 128 + signal."""

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.number = number


class StopSignals:
    """While entered, the first SIGTERM or SIGINT sets `received` instead of ending the process."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._old: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        # Handlers can only be set from the main thread; elsewhere (a notebook's worker, a test)
        # the process keeps its own.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.received = number
        signal.signal(number, self._old[number])

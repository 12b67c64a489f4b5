"""What every process that this package starts begins with."""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker


def end_with_parent(end: Callable[[], None]) -> None:
    """Calls `end` once the process that started this one is gone.

    A process is told to stop by its parent, which cannot tell it anything when it was killed.
    """

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        end()

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def shielded_from(*numbers: signal.Signals) -> Iterator[None]:
    """Processes that are started inside never see these signals; this one does, afterwards.

    A terminal's Ctrl-C and a scheduler's SIGTERM go to all processes. What they mean is for the
    first to decide, and one that is just being started would end in a trace.
    """
    resource_tracker.ensure_running()  # its start would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

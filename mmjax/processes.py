"""What every process that this package starts does first."""

import multiprocessing
import threading
from collections.abc import Callable


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

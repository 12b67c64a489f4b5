"""How Ctrl-C and SIGTERM end a command, from its first moment on."""

import contextlib
import os
import signal
import sys
from pathlib import PurePath
from types import FrameType


def is_command() -> bool:
    """Whether this process was started as `mmjax` or `python -m mmjax...`, and not as a user's."""
    if len(sys.argv) > len(sys.orig_argv):
        return False
    # While `python -m` imports the package, `-m` stands in place of the module's name.
    program, module = sys.orig_argv[-len(sys.argv)], sys.argv[:1] == ["-m"]
    return PurePath(program).name == "mmjax" or (module and program.startswith("mmjax."))


def end_with_a_sentence() -> None:
    """Lets Ctrl-C and SIGTERM end this process with a sentence and the shell's code, 128 + signal.

    At once and not by an exception, which would come from nowhere: in the middle of an import it
    ends in a trace, and in a callback of jax's garbage collection it is printed and lost.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell has what it starts in the background ignore Ctrl-C.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    with contextlib.suppress(Exception):  # it may be in the middle of a line
        sys.stdout.flush()
    os.write(2, b"\nmmjax: interrupted; the same command resumes from the last checkpoint\n")
    os._exit(128 + number)

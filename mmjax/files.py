"""Atomic writes of files, and the system's errors as sentences."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmjax.errors import UserError


class WriteError(UserError, OSError):
    """A file of a run could not be written; the message says which, why and what to do."""

    exit_code = 1


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns the system's errors (a full disk, a read-only one) into a sentence about `path`.

    Raises:
      WriteError: for any OSError inside.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            f"{path} could not be written ({reason(error)}): fix that, then run the "
            "same command; it resumes from the last checkpoint"
        ) from error


def write_atomically(target: Path, text: str) -> None:
    """Writes beside the target, then renames: a reader, or a crash, never meets half a file.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    part = target.with_name(target.name + ".part")
    with writing(target):
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)


def reason(error: OSError) -> str:
    """The reason of a system error, in a few words."""
    cause = error.__cause__ if isinstance(error, WriteError) else error
    return getattr(cause, "strerror", None) or str(cause)

"""Atomic writes of files, and the system's errors as sentences."""

import os
import stat
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


# What a repository holds in place of a large file begins so. Of git-annex this is an unlocked file;
# a locked one is a link to where the content would lie.
_POINTERS = {
    "version https://git-lfs.github.com/spec/": "a Git LFS pointer (`git lfs pull` fetches it)",
    "/annex/objects/": "a git-annex pointer (`git annex get` fetches it)",
}
_LARGEST_POINTER = 1024  # bytes, less than; by the specification of Git LFS


def pointer(content: bytes | bytearray | memoryview | str) -> str | None:
    """What it is that stands in for a file which was not fetched; None for content of its own."""
    if len(content) >= _LARGEST_POINTER:
        return None
    text = content if isinstance(content, str) else bytes(content).decode("latin-1")
    return next((what for start, what in _POINTERS.items() if text.startswith(start)), None)


def pointer_at(path: str | os.PathLike[str]) -> str | None:
    """`pointer` of the file at a path; None also where there is none that can be read."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            if not os.path.exists(path):
                target = os.readlink(path)
                return pointer(target[target.find("/annex/objects/") :])
            status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size >= _LARGEST_POINTER:
            return None
        with open(path, "rb") as file:
            return pointer(file.read(_LARGEST_POINTER))
    except (OSError, ValueError):  # ValueError: a NUL character in the path
        return None

"""Reads text, JSON and arrays and writes any file whole or not at all, with errors in sentences."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from mmjax.errors import ConfigError, UserError

_DEEPEST = 100  # levels; a recipe has ten, and Python's own recursion ends at a thousand frames
_BITS = 64  # of an integer, so that NumPy and floats can hold it


class WriteError(UserError, OSError):
    """A file of a run could not be written; the message says which, why and what to do."""

    exit_code = 1


class DamagedFile(ConfigError):
    """A file does not hold what it should; the message names it and says what is wrong."""


def read_text(file: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark.

    Raises:
      DamagedFile: when it cannot be read, or is no such text.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFile(
            f"{file} is damaged: it is not UTF-8 text (at byte {error.start})"
        ) from error
    except OSError as error:
        raise DamagedFile(f"{file} cannot be read: {reason(error)}") from error


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
      DamagedFile: when it cannot be read, is no JSON text, or holds something else.
    """
    return json_object(read_text(file), str(file))


def json_object(text: str | bytes, name: str) -> dict[str, Any]:
    """The object that a JSON text holds.

    Args:
      text: the text.
      name: of what it is of, for messages.

    Raises:
      DamagedFile: when it is no JSON text, or holds something else.
    """
    value = parse_json(text, name)
    if not isinstance(value, dict):
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise DamagedFile(f"{name} is damaged: it should hold a JSON object, not {kind}")
    return value


def parse_json(text: str | bytes, name: str) -> Any:
    """The value of a JSON text in which no key repeats, and which every reader can walk.

    Python's own parser takes the last of two equal keys, integers that no float or array can
    hold, and lists too deep for any function that calls itself.

    Args:
      text: the text.
      name: of what it is of, for messages.

    Raises:
      DamagedFile: for any other text.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
        _check_depth(value)
    except RecursionError as error:
        raise DamagedFile(f"{name} is damaged: it is nested too deeply") from error
    except ValueError as error:
        raise DamagedFile(f"{name} is damaged: it is not JSON ({error})") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _integer(digits: str) -> int:
    value = int(digits)
    if value.bit_length() > _BITS:
        raise ValueError(f"the number {digits:.24}... has more than {_BITS} bits")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RecursionError


def json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Every line of a file of JSON lines with the object in it, None where there is none.

    The last line of a killed process may be half a line, and a damaged disk may hold anything.

    Raises:
      DamagedFile: when the file cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise DamagedFile(f"{file} cannot be read: {reason(error)}") from error
    for line in lines:
        if line.strip():
            try:
                text = line.decode("utf-8-sig")
                yield text, json_object(text, str(file))
            except (UnicodeDecodeError, DamagedFile):
                yield line.decode("utf-8", "replace"), None


def read_arrays(file: Path | Traversable) -> dict[str, np.ndarray]:
    """The arrays of a .npz file; those of Python objects are refused.

    Raises:
      DamagedFile: when it cannot be read, or is no such file.
    """
    try:
        with file.open("rb") as stream:
            arrays = np.load(stream, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise ValueError("it is one .npy file and no .npz file")
            with arrays:
                return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # damaged headers make numpy and zipfile raise nearly anything
        said = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(
            f"{file} is damaged: it cannot be read as arrays ({said:.200})"
        ) from error


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


@contextmanager
def replacing(target: Path, mark: str = "") -> Iterator[Path]:
    """The path of a new, empty file beside the target, which takes its place in the end.

    A reader, or a crash, never meets half a file. What lies at that path before, of a killed
    process or planted by another user, is taken away and never followed or written to.

    Args:
      target: the file to write.
      mark: for the path's name, where several processes may write the same file at a time.

    Raises:
      OSError: as the system raises it; see `writing`.
    """
    part = target.with_name(f"{target.name}{mark}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_atomically(target: Path, content: str | bytes) -> None:
    """Writes a whole file, or leaves what was there.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    if isinstance(content, str):
        content = content.encode("utf-8")
    with writing(target), replacing(target) as part:
        part.write_bytes(content)


def user_cache(*parts: str) -> Path:
    """A folder or file of this package in the user's cache folder (XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").joinpath(
        "mmjax", *parts
    )


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

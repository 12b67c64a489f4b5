"""Files by their paths: whether they are there and can be read, and what they hold."""

from __future__ import annotations

import glob
import os
import re
import stat
from pathlib import Path

from mmjax.data.formats import remote
from mmjax.data.records import BadExample, SourceError
from mmjax.files import pointer, pointer_at
from mmjax.schema.names import modality_of

# Of the files of each modality.
SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".opus"),
    "video": (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif"),
    "points": (".ply", ".obj", ".stl", ".off", ".glb", ".xyz", ".npy"),
}
_OTHER_SUFFIXES = (".npy", ".csv")


def suffixes(modality: str) -> tuple[str, ...]:
    """The endings of the files of a modality, lower case; of an unknown one, those of arrays."""
    return SUFFIXES.get(modality_of(modality), _OTHER_SUFFIXES)


def missing(path: str) -> str | None:
    """Why a file cannot be read; None if it can. Only those as small as a pointer are opened."""
    if "://" in path:
        return (
            f"{path} is an address; only files are read here, so download it first (those of a "
            "table are read where the table or `root` is one, too)"
        )
    if what := pointer_at(path):
        return f"the file {path} is only {what}"
    try:
        status = os.stat(path)
    except FileNotFoundError:
        hint = " (it holds a backslash; write / instead)" if "\\" in path else ""
        return f"the file {path} does not exist{hint}"
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        return f"the file {path!r} cannot be read: {_reason(error)}"
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device would block for ever
        return f"{path} is not a plain file"
    if status.st_size == 0:
        return f"the file {path} is empty"
    return None


def read_file(path: str, key: str, field: str) -> bytes:
    """The bytes of a file on a disk, or BadExample."""
    if reason := missing(path):
        raise BadExample(key, field, reason)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadExample(key, field, f"the file {path} cannot be read: {_reason(error)}") from error


def read_anywhere(path: str, key: str, field: str) -> bytes:
    """The bytes of a file, on a disk or at an address, or BadExample."""
    if not remote.is_remote(path):
        return read_file(path, key, field)
    try:
        content = remote.read(path)
    except remote.RemoteError as error:
        raise BadExample(key, field, str(error)) from error
    if not content:
        raise BadExample(key, field, f"the file {path} is empty")
    if what := pointer(content):
        raise BadExample(key, field, f"the file {path} is only {what}")
    return content


def existing(path: str, kind: str) -> Path:
    """A path of a source that must exist, or a sentence with the nearest thing that does."""
    if "://" in path:
        raise SourceError(
            f"{path} is an address, and a {kind} has to be on a disk here: download it, or mount "
            "its store; sources of type 'webdataset' and 'manifest' read addresses"
        )
    found = Path(path).expanduser()
    refuse_pointer(found)
    if found.exists():
        return found
    parent = found.parent
    while not parent.exists():
        parent = parent.parent
    names = sorted(p.name for p in parent.iterdir())[:10] if parent.is_dir() else []
    raise SourceError(
        f"there is no {kind} {found}; {parent} holds {', '.join(names) if names else 'nothing'}"
    )


def parts_of(path: str, what: str) -> list[str]:
    """The files of a path, in order: one, or where it has a `*` all parts that it finds.

    Args:
      path: of a file, or a pattern.
      what: reads them, for messages.

    Raises:
      SourceError: when none is found, or some of `...-00000-of-00004.npz` are missing.
    """
    if "*" not in path:
        return [path]
    files = sorted(glob.glob(path))
    if not files:
        raise SourceError(f"{what}: no file is found by {path!r}")
    if (of := re.search(r"-of-(\d+)\.\w+$", files[0])) and len(files) != int(of[1]):
        raise SourceError(
            f"{what}: {path!r} finds {len(files)} files, of {int(of[1])} parts: make the others"
        )
    return files


def refuse_pointer(file: Path) -> None:
    """Raises SourceError for a file that was not fetched from where a repository keeps it."""
    if what := pointer_at(file):
        raise SourceError(f"{file} is only {what}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

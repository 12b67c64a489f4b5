"""SHA-256 digests of files: listed in their folder when they are written, verified when read."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmjax.errors import UserError
from mmjax.files import reason, write_atomically

# A folder lists its files here, name -> digest; one that an earlier version wrote has none.
NAME = "sha256.json"


class DamagedError(UserError):
    """A file is not what it was when its digest was written; the message names it."""

    exit_code = 1


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits; read in pieces."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files(folder: Path) -> set[str]:
    """Names of all files below a folder, relative to it; the list itself is left out."""
    found = {
        (Path(where) / name).relative_to(folder).as_posix()
        for where, _, names in os.walk(folder)
        for name in names
    }
    return found - {NAME}


def write(folder: Path) -> None:
    """Lists all files of a folder with their digests.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    names = sorted(files(folder))
    with ThreadPoolExecutor() as pool:  # hashing lets go of the interpreter's lock
        digests = pool.map(lambda name: sha256(folder / name), names)
        found = dict(zip(names, digests, strict=True))
    _list(folder, found)


def add(file: Path) -> None:
    """Lists a file that is there whole in its folder's list, beside the others.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    _list(file.parent, {**_known(file.parent), file.name: sha256(file)})


def write_with(file: Path, text: str) -> None:
    """Writes a file, there whole or not at all, and lists it in its folder.

    It is listed first: of a process that dies in between, the same command writes both again.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    _list(file.parent, {**_known(file.parent), file.name: digest})
    write_atomically(file, text)


def _known(folder: Path) -> dict[str, str]:
    try:
        return read(folder) or {}
    except DamagedError:  # its files are listed again when they are written again
        return {}


def _list(folder: Path, found: Mapping[str, str]) -> None:
    write_atomically(folder / NAME, json.dumps(found, indent=2) + "\n")


def read(folder: Path) -> dict[str, str] | None:
    """The list of a folder, name -> digest; None where it has none.

    Raises:
      DamagedError: when it cannot be read.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DamagedError(f"{file} cannot be read ({reason(error)})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{file} is damaged: it is not JSON text") from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise DamagedError(f"{file} is damaged: it does not give a digest for every name")
    return found


def verify(folder: Path, listed: Mapping[str, str], names: Iterable[str]) -> None:
    """Compares files with what a folder's list says of them.

    Args:
      folder: whose.
      listed: its list, of `read`.
      names: of the files to read.

    Raises:
      DamagedError: naming the first that is missing, that the list lacks, or that differs.
    """

    def damage(name: str) -> str | None:
        file = folder / name
        if name not in listed:
            return f"{file} is not in {NAME}, the list of the files that were written"
        if not file.is_file():
            return f"{file} is missing: {NAME} lists it"
        try:
            if sha256(file) == listed[name]:
                return None
        except OSError as error:
            return f"{file} cannot be read ({reason(error)})"
        return (
            f"{file} is not the file that {NAME} was written for: its SHA-256 differs, so one of "
            "the two was changed or damaged"
        )

    with ThreadPoolExecutor() as pool:
        for said in pool.map(damage, names):
            if said is not None:
                raise DamagedError(said)

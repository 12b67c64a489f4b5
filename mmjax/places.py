"""Run folders in a store: `gs://bucket/runs/clip`, as pods have them.

Orbax writes checkpoints to the store itself, every process its part. All other files of a run are
small: they are in a folder of this process, a copy, which is fetched when the run is opened and
saved back before every checkpoint and at the end. So what a checkpoint needs is in the store before
it is, as on a disk. Local folders pass through all functions here unchanged.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmjax import extras
from mmjax.errors import ConfigError
from mmjax.files import WriteError

if TYPE_CHECKING:
    from etils import epath

CHECKPOINTS = "checkpoints"
_OWNER = ".owner"  # in the store: the process that writes to the run
_LAST = "summary.json"  # says that a run is finished, so it comes after everything else

_copies: dict[Path, _Copy] = {}  # by folder


def is_address(path: object) -> bool:
    """Whether a path is an address in a store, and not one in a file system."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", str(path)) is not None


def here(path: str | Path) -> Path:
    """The folder in which the files of a run or export are, fetched first from an address.

    Args:
      path: a folder, returned as it is; or `gs://bucket/folder`.

    Raises:
      ConfigError: for another kind of address, or a store that cannot be read.
      MissingExtra: for `gs://` without the package gcsfs.
    """
    if not is_address(path):
        return Path(path).expanduser()
    copy = _Copy(re.sub(":/+", "://", str(path).rstrip("/"), count=1))
    _copies[copy.folder] = copy
    return copy.folder


def name(folder: Path) -> str:
    """What to call a folder that `here` gave: its address, where it has one."""
    copy = _copies.get(folder)
    return str(folder) if copy is None else copy.address


def checkpoints(folder: Path) -> Path | epath.Path:
    """Where the checkpoints of the run in a folder are, on the disk or in the store."""
    copy = _copies.get(folder)
    return folder / CHECKPOINTS if copy is None else copy.store / CHECKPOINTS


def own(folder: Path) -> None:
    """Makes this process the one that writes to a run in a store; an earlier one stops at `save`.

    A process that was killed leaves nothing that the next has to wait for.

    Raises:
      WriteError: when the store cannot be written to.
    """
    if folder in _copies:
        _copies[folder].own()


def save(folder: Path) -> None:
    """Saves the files of a folder that are new or changed to its store, if it is of one.

    Raises:
      WriteError: when the store cannot be written to, or another process has become the owner.
    """
    if folder in _copies:
        _copies[folder].save()


def is_new(folder: Path) -> bool:
    """Whether nothing of a run is in a folder or its store yet."""
    return not folder.exists() or (folder in _copies and not any(folder.iterdir()))


class _Copy:
    """A local copy of the small files of a folder in a store; gone when the process ends."""

    def __init__(self, address: str):
        if not address.startswith("gs://"):
            raise ConfigError(
                f"{address}: runs and models are on disks or at gs:// addresses; for another "
                "store, mount it and give the folder that it is mounted on"
            )
        extras.find("gcsfs", "gcs", f"using {address}")
        from etils import epath

        self.address = address
        self.store = epath.Path(address)
        self._temporary = tempfile.TemporaryDirectory(prefix="mmjax-run-")
        # The folder's name is the run's, which trackers of experiments are told.
        self.folder: Path = Path(self._temporary.name) / self.store.name
        self.folder.mkdir()
        self._token: str | None = None
        try:
            for file in _files(self.store):
                target = self.folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with (self.store / file).open("rb") as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out)
        except Exception as error:  # of whatever kind the packages of the store raise
            self._temporary.cleanup()
            raise ConfigError(f"{address} cannot be read: {_said(error)}") from error
        self._saved = self._state()

    def _state(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file here."""
        about = {file: (self.folder / file).stat() for file in _files(self.folder)}
        return {file: (each.st_size, each.st_mtime_ns) for file, each in about.items()}

    def own(self) -> None:
        self._token = uuid.uuid4().hex
        about = {
            "token": self._token,
            "process": f"{os.getpid()} on {socket.gethostname()}",
            "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        }
        with _writing(self.address):
            (self.store / _OWNER).write_text(json.dumps(about, indent=2) + "\n")

    def _check_owner(self) -> None:
        if self._token is None:  # a command that adds files to a run, and trains none
            return
        with _writing(self.address):
            found = json.loads((self.store / _OWNER).read_text())
        if found.get("token") != self._token:
            raise WriteError(
                f"{self.address} is written to by another process (process {found.get('process')}, "
                f"since {found.get('since')}): this one stops, and what that one writes stays"
            )

    def save(self) -> None:
        state = self._state()
        changed = [file for file in sorted(state) if state[file] != self._saved.get(file)]
        self._check_owner()
        for file in sorted(changed, key=lambda file: file == _LAST):
            with _writing(f"{self.address}/{file}"):
                target = self.store / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(self.folder / file, "rb") as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
            self._saved[file] = state[file]


def _files(root: Any) -> Iterator[str]:
    """Names of the files below a folder, without those of its checkpoints and marks of owners."""
    below = [""]
    while below:
        part = below.pop()
        folder = root / part if part else root
        if not folder.is_dir():
            continue
        for each in folder.iterdir():
            file = f"{part}/{each.name}" if part else each.name
            if file in (CHECKPOINTS, _OWNER, ".lock"):
                continue
            if each.is_dir():
                below.append(file)
            else:
                yield file


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """Turns whatever a store raises into a sentence."""
    try:
        yield
    except Exception as error:
        raise WriteError(
            f"{what} cannot be written to ({_said(error)}): fix that, then run the same command"
        ) from error


def _said(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]

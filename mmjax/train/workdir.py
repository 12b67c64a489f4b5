"""The folder of a run: its choice, its owner, and the lock that lets only one run write to it.

config.json      the whole config that the run was started with
checkpoints/     states by step
tokenizer.*      a copy of the tokenizer's file, unless it is in the package
imports/         parity of the weights that the run started from, a JSON file a tower
metrics.jsonl    one JSON object a line: step, and metrics by name
log.txt          what the terminal showed, plainly
bad_rows.jsonl   examples that could not be read, with the reason
summary.json     final metrics by name; its presence says that the run is finished
report.html      the page to look at
sha256.json      digests of config.json, of a tokenizer's copy and, once the run is finished, of
                 summary.json and both .jsonl; those of a checkpoint are in its folder
"""

import contextlib
import fcntl
import glob
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmjax import digests, places
from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.files import DamagedFile, WriteError, reason
from mmjax.recipe import Recipe
from mmjax.text import printable

logger = logging.getLogger("mmjax")


def default(recipe: Recipe, root: str | Path = "runs") -> Path:
    """`runs/<recipe>-<time>`, or the newest unfinished run of the very same config.

    So the same command, given again after an interruption, resumes it. A run that
    another process is writing to at the moment is not taken.
    """
    root = Path(root)
    for folder in sorted(root.glob(f"{glob.escape(recipe.recipe)}-*"), reverse=True):
        stored = folder / "config.json"
        try:
            if not stored.is_file() or (folder / "summary.json").exists() or _is_locked(folder):
                continue
            if recipe_lib.same(stored, recipe):
                return folder
        except (DamagedFile, OSError) as error:  # someone else's, perhaps
            logger.warning(printable(f"passed over as a run to resume: {error}"))
    name = f"{recipe.recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    new = root / name
    count = 2
    while new.exists():
        new = root / f"{name}_{count}"
        count += 1
    return new


class Workdir:
    """An open run folder; a context manager that holds its lock.

    Args:
      path: the folder, made if missing; or `gs://bucket/folder` (`mmjax.places`).
      recipe: of the run, whole.
      write: whether this process writes (process 0 of a multi-process run).

    Raises:
      ConfigError: when the folder belongs to a run of another config, naming the keys that
        differ, or another process is using it.

    Until `keep` the config is not written, and a folder that was made for the run is gone again
    when the block ends by an error: what is refused neither leaves a run nor changes one.
    """

    def __init__(self, path: str | Path, recipe: Recipe, *, write: bool = True):
        self.path = places.here(path)
        self._recipe = recipe
        self._lock: int | None = None
        self._discard = self._kept = False
        stored, shown = self.path / "config.json", places.name(self.path)
        if stored.is_file():
            try:
                differing = recipe_lib.differences(recipe_lib.read(stored), recipe)
            except ConfigError as error:
                differing = [str(error)]
            # A run that ended before its first checkpoint, often by a mistake in the config, has
            # nothing to lose.
            if differing and _holds_checkpoints(self.path):
                raise ConfigError(
                    f"{shown} holds a run of another config ({'; '.join(differing)}): choose "
                    "another --workdir, or run it with the config it was started with"
                )
        elif _holds_checkpoints(self.path):
            raise ConfigError(
                f"{shown} holds checkpoints but no config.json, so whose they are cannot be "
                "told: choose another --workdir"
            )
        if write:
            self._open()

    def _open(self) -> None:
        """Makes the folder, and locks it."""
        with self._usable():
            self._discard = places.is_new(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
        if self._lock is None:
            raise ConfigError(
                f"another process is writing to {places.name(self.path)}: wait for it, stop it, or "
                "choose another --workdir"
            )

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"the folder {self.path} of the run cannot be made or written to "
                f"({reason(error)}): fix that, or choose another --workdir"
            ) from error

    def __enter__(self) -> "Workdir":
        return self

    def keep(self) -> None:
        """Writes the config, and keeps the folder whatever follows."""
        if self._lock is not None:
            with self._usable():
                digests.write_with(self.path / "config.json", recipe_lib.dump(self._recipe))
            places.own(self.path)
            places.save(self.path)
            self._kept = True
        self._discard = False

    def __exit__(self, kind: type[BaseException] | None = None, *_: Any) -> None:
        if self._lock is not None:
            if self._discard and kind is not None:
                shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None
            if self._kept:
                self._save(kind)

    def _save(self, kind: type[BaseException] | None) -> None:
        """Saves what was written since the last checkpoint, such as the log."""
        try:
            places.save(self.path)
        except WriteError as error:
            if kind is None:
                raise
            # Another error ends the run already; that one is the news.
            logger.warning(error)

    def finish(self, summary: Mapping[str, float]) -> None:
        """Writes `summary.json`, whole or not at all, and the digests of what is final now."""
        for name in ("metrics.jsonl", "bad_rows.jsonl"):
            if (self.path / name).is_file():
                digests.add(self.path / name)
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=True) + "\n"
        digests.write_with(self.path / "summary.json", text)


def _holds_checkpoints(folder: Path) -> bool:
    directory = places.checkpoints(folder)
    return directory.is_dir() and any(True for _ in directory.iterdir())


def _lock(folder: Path) -> int | None:
    """An exclusive lock that the system releases when the process ends, however it ends."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_locked(folder: Path) -> bool:
    handle = _lock(folder)
    if handle is None:
        return True
    os.close(handle)
    return False

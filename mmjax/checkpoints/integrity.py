"""Integrity of checkpoints: digests written before a checkpoint gets its name, and verified."""

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from mmjax import digests, places
from mmjax.parallel import distributed

_UNFINISHED = ocp.path.atomicity.TMP_DIR_SUFFIX
_COMMITTED = ocp.path.atomicity.COMMIT_SUCCESS_FILE
# The folder of the arrays in that of a step; beside it are metrics, which are read of every step.
_ARRAYS = ocp.checkpoint_manager.DEFAULT_ITEM_NAME


class Digested(ocp.path.atomicity.AtomicRenameTemporaryPath):  # type: ignore[misc]
    """A step's temporary folder, which gets its digests before it gets its name.

    When all processes have written, Orbax calls `finalize` in the first, in the background. Its own
    renames the folder; here that is to one more temporary name, under which all files are final.
    A process that dies before the last rename leaves a folder that the next start removes, so a
    step that has its name has its digests.
    """

    @classmethod
    def from_final(cls, final_path: Any, **options: Any) -> "Digested":
        """As Orbax calls it, for a step and for the items in it, which need no list."""
        if final_path.name.isdigit():
            final_path = final_path.with_name(final_path.name + _UNFINISHED)
        path: Digested = super().from_final(final_path, **options)
        return path

    def get_final(self) -> Any:
        """The name that is there when everything is."""
        path = super().get_final()
        return path.with_name(path.name.removesuffix(_UNFINISHED))

    async def finalize(self) -> None:
        """Writes the digests, and renames."""
        await super().finalize()
        written, final = super().get_final(), self.get_final()
        if written != final:
            await asyncio.to_thread(digests.write, Path(written))
            written.rename(final)


def folders(directory: Path) -> list[Path]:
    """What claims to be a checkpoint, by its name: one folder a step, ascending.

    In a store a folder has its name from the start, and a file of Orbax's once it is whole.
    """
    if not directory.is_dir():
        return []
    named = re.compile("0|[1-9][0-9]*")
    found = [p for p in directory.iterdir() if named.fullmatch(p.name) and p.is_dir()]
    if places.is_address(directory):
        found = [p for p in found if (p / _COMMITTED).exists()]
    return sorted(found, key=lambda folder: int(folder.name))


def damage(folder: Path, *, whole: bool) -> str | None:
    """A sentence on what is wrong with a step's folder, or None; of a store's, only a missing part.

    All processes of a run call it, read a part of the files each, and hear the same.

    Args:
      folder: of the step.
      whole: read all files; otherwise only those that are read of every step, and the names.
    """
    said = ""
    try:
        listed = None if places.is_address(folder) else digests.read(folder)
        if listed is None:
            _check_unlisted(folder)
        else:
            there = digests.files(folder)
            names = sorted(listed.keys() | there)
            if not whole:  # arrays that are there, and known
                passed = {name for name in listed if name.startswith(f"{_ARRAYS}/")} & there
                names = [name for name in names if name not in passed]
            mine = names[jax.process_index() :: jax.process_count()]
            digests.verify(folder, listed, mine)
    except digests.DamagedError as error:
        said = str(error)
    return next(filter(None, distributed.gather(said)), None)


def _check_unlisted(folder: Path) -> None:
    """Tells a checkpoint of an earlier version, without digests, from another folder."""
    if not (folder / _ARRAYS).is_dir():
        what = "lacks its arrays" if any(folder.iterdir()) else "is empty"
        raise digests.DamagedError(f"{folder} is no checkpoint: it {what}")


def set_aside(folder: Path) -> Path:
    """Renames a step's folder so that it is none any more; all processes call it."""
    names = (f"{folder.name}.damaged{n or ''}" for n in itertools.count())
    target = next(each for name in names if not (each := folder.with_name(name)).exists())
    distributed.gather("")  # all have seen which names are free
    if jax.process_index() == 0:
        folder.rename(target)
    distributed.gather("")
    return target

"""A folder of images, sounds or other files, whose captions are found by its layout."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from mmjax.data.formats.files import SUFFIXES, existing, missing, suffixes
from mmjax.data.records import BadExample, SourceError
from mmjax.data.sources.manifest import read_manifest
from mmjax.data.sources.user_files import Entry, FileSource, FoundFiles, OnError
from mmjax.data.splits import Split
from mmjax.schema.bounds import BelowOne
from mmjax.schema.names import modality_of

_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
TABLES = tuple(f"{stem}{ending}" for stem in ("captions", "metadata") for ending in _ENDINGS)
# Other types of sources, by the endings of their files.
_TYPES = {
    ".tar": "type='webdataset'",
    ".hea": "type='wfdb'",
    **dict.fromkeys(_ENDINGS, "type='manifest' and the path of the table"),
}


class NoCaptions(SourceError):
    """A folder's files have no captions in any layout."""


class OtherFiles(SourceError):
    """A folder has no files of the modality, but of another.

    Attributes:
      modality: whose files are there; None where they are of none that is known.
    """

    def __init__(self, message: str, modality: str | None):
        super().__init__(message)
        self.modality = modality


class FolderSource(FileSource):
    """A folder of images, or files of another modality, with captions, in one of three layouts.

    1. 'table': the folder holds captions.csv, metadata.jsonl or the like (`TABLES`); see
       `ManifestSource`, whose default options are used.
    2. 'sidecar': beside an image `dog.jpg` lies `dog.txt`; every line that is not blank is one
       caption, and several are alternatives.
    3. 'subfolder': the caption is the name of the sub-folder, `golden_retriever/1.jpg` is
       "golden retriever"; it is also the label `group`, and its number among all such names, in
       sorted order, the label `label`.

    Files of layouts 2 and 3 are searched for in all sub-folders, by their endings, and taken in
    sorted order. Each link to a folder is followed once. 'none' takes such files without captions,
    to be embedded or searched.

    Args:
      path: the folder.
      modality: of the files: 'image', 'audio', 'video', 'points', or any other, whose files are
        .npy and .csv.
      captions: the layout; 'auto' takes the first that is there, and `describe()` says which.
      split: 'train', 'val' or 'all', by a hash of the file's path within the folder.
      val_fraction: the share of examples in 'val'.
      on_error: 'skip' or 'fail', for a file without a caption, an empty file, ...

    Raises:
      SourceError: if the folder is missing, holds no such files, or the layout is not there.
    """

    def __init__(
        self,
        *,
        path: str,
        modality: str = "image",
        captions: Literal["auto", "table", "sidecar", "subfolder", "none"] = "auto",
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
        on_error: OnError = "skip",
    ):
        folder = existing(path, "folder")
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder; for a table use type='manifest'")
        tables = [folder / name for name in TABLES if (folder / name).is_file()]
        if captions == "table" or (captions == "auto" and tables):
            if len(tables) != 1:
                names = ", ".join(table.name for table in tables) or f"none of {', '.join(TABLES)}"
                raise SourceError(
                    f"{folder} should hold one table of captions but holds {names}; name it with "
                    "type='manifest', path=..."
                )
            found = read_manifest(str(tables[0]), modality=modality)
        else:
            found = _scan(folder, modality, captions)
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)
        self._groups = sorted({e.labels["group"] for e in found.entries if "group" in e.labels})

    def labels(self, field: str, language: str = "en") -> list[str] | None:
        """The names of the sub-folders, which are all classes of the label `group`."""
        return self._groups if field == "group" and self._groups else None


def _scan(folder: Path, modality: str, captions: str) -> FoundFiles:
    """The entries of layouts 2 and 3."""
    if modality_of(modality) == "text":
        raise SourceError(f"{folder}: modality={modality!r} should be that of the captioned files")
    files, others, notes = _files(folder, suffixes(modality))
    if not files:
        known, hint = _hint(others)
        raise OtherFiles(
            f"{folder} holds no {modality} files ({', '.join(suffixes(modality))}){hint}", known
        )
    sidecars = sum((folder / name).with_suffix(".txt").is_file() for name in files)
    nested = any(os.path.dirname(name) for name in files)
    if captions == "auto":
        captions = "sidecar" if sidecars else "subfolder" if nested else captions
    if captions == "auto":
        raise NoCaptions(
            f"{folder} holds {len(files)} {modality} files but no captions: no {TABLES[0]} or "
            "other table, no .txt file beside one, no sub-folders"
        )
    numbers = {name: n for n, name in enumerate(sorted({_group(file) for file in files} - {""}))}
    entries, bad = [], []
    for position, name in enumerate(files):
        try:
            if reason := missing(str(folder / name)):
                raise BadExample(name, modality, reason)
            labels, texts = {}, []
            if captions == "sidecar":
                texts = _sidecar(folder, name)
            elif captions == "subfolder":
                texts = [_group(name)]
                if not texts[0]:
                    raise BadExample(name, "text", "it lies in no sub-folder, so it has no caption")
                labels = {"group": texts[0], "label": str(numbers[texts[0]])}
            found = {modality: str(folder / name)}
            of_text = {"text": {"": texts}} if texts else {}
            entries.append(Entry(position, name, name, found, of_text, labels))
        except BadExample as error:
            bad.append(error)
    layout = f"names of {len(numbers):,} sub-folders"
    if captions == "sidecar":
        layout = f"the .txt file beside each {modality}"
    notes.insert(0, "no captions" if captions == "none" else f"captions from {layout}")
    names = (modality,) if captions == "none" else (modality, "text")
    return FoundFiles(str(folder), entries, bad, names, len(files), notes=tuple(notes))


def _files(folder: Path, endings: tuple[str, ...]) -> tuple[list[str], Counter[str], list[str]]:
    """Paths of all files of some endings below a folder, relative to it, in sorted order.

    A link to a folder gives its files a second name, but each link is followed once: where links
    lie behind links, the number of paths doubles with each of them.

    Returns:
      The paths, how many other files there are by ending, and notes.
    """

    def fail(error: OSError) -> None:
        raise SourceError(f"{error.filename} cannot be listed: {error.strerror}") from error

    found: list[str] = []
    others: Counter[str] = Counter()
    followed: set[tuple[str, str]] = set()  # (real folder of the link, its name)
    again = 0
    above: dict[str, frozenset[str]] = {}  # folder -> it and those around it, links resolved
    for place, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        real, around = os.path.realpath(place), above.get(os.path.dirname(place), frozenset())
        if real in around:  # a link that leads back up
            folders[:] = []
            continue
        above[place] = around | {real}
        links = {name for name in folders if os.path.islink(os.path.join(place, name))}
        met = {name for name in links if (real, name) in followed}
        folders[:] = [name for name in folders if name not in met]
        followed |= {(real, name) for name in links}
        again += len(met)
        for name in names:
            if name.startswith("."):
                continue
            if name.lower().endswith(endings):
                found.append(os.path.relpath(os.path.join(place, name), folder))
            else:
                others[os.path.splitext(name)[1].lower()] += 1
    notes = [f"{again:,} links that were met a second time are not followed"] if again else []
    return sorted(found), others, notes


def _hint(others: Counter[str]) -> tuple[str | None, str]:
    """Which modality other files are of, and what to do; by the most frequent ending that says."""
    for ending, count in others.most_common():
        modality = next((name for name, known in SUFFIXES.items() if ending in known), None)
        option = _TYPES.get(ending) or (modality and f"modality={modality!r}")
        if option:
            return modality, f", but {count:,} files {ending}: set {option}"
    return None, ""


def _sidecar(folder: Path, name: str) -> list[str]:
    """The captions of the text file beside a file."""
    sidecar = (folder / name).with_suffix(".txt")
    if reason := missing(str(sidecar)):
        raise BadExample(name, "text", reason)
    try:
        lines = sidecar.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadExample(name, "text", f"{sidecar.name} is not UTF-8 text ({error})") from error
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise BadExample(name, "text", f"{sidecar.name} holds no caption")
    return captions


def _group(name: str) -> str:
    """The name of the sub-folder that a file lies in, as a caption."""
    return re.sub(r"[_\-\s]+", " ", os.path.basename(os.path.dirname(name))).strip()

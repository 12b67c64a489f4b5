"""A folder of images whose captions are found by the layout of the folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from mmjax.data.formats.files import IMAGE_SUFFIXES, existing, missing
from mmjax.data.records import BadExample, SourceError
from mmjax.data.sources.manifest import read_manifest
from mmjax.data.sources.user_files import Entry, FileSource, FoundFiles, OnError, Split
from mmjax.schema.bounds import BelowOne

TABLES = tuple(
    f"{stem}{suffix}" for stem in ("captions", "metadata") for suffix in (".csv", ".tsv", ".jsonl")
)


class FolderSource(FileSource):
    """A folder of images with their captions, in one of three layouts.

    1. 'table': the folder holds captions.csv, metadata.jsonl or the like (`TABLES`); see
       `ManifestSource`, whose default options are used.
    2. 'sidecar': beside an image `dog.jpg` lies `dog.txt`; every line that is not blank is one
       caption, and several are alternatives.
    3. 'subfolder': the caption is the name of the sub-folder, `golden_retriever/1.jpg` is
       "golden retriever"; it is also the label `group`.

    Images of layouts 2 and 3 are searched for in all sub-folders, and taken in sorted order. Each
    link to a folder is followed once.

    Args:
      path: the folder.
      captions: the layout; 'auto' takes the first that is there, and `describe()` says which.
      split: 'train', 'val' or 'all', by a hash of the image's path within the folder.
      val_fraction: the share of examples in 'val'.
      on_error: 'skip' or 'fail', for an image without a caption, an empty file, ...

    Raises:
      SourceError: if the folder is missing, holds no images, or the layout is not there.
    """

    def __init__(
        self,
        *,
        path: str,
        captions: Literal["auto", "table", "sidecar", "subfolder"] = "auto",
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
            found = read_manifest(str(tables[0]))
        else:
            found = _scan(folder, captions)
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)


def _scan(folder: Path, captions: str) -> FoundFiles:
    """The entries of layouts 2 and 3."""
    pictures, unfollowed = _pictures(folder)
    if not pictures:
        raise SourceError(f"{folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    sidecars = sum((folder / name).with_suffix(".txt").is_file() for name in pictures)
    nested = any(os.path.dirname(name) for name in pictures)
    if captions == "auto":
        captions = "sidecar" if sidecars else "subfolder" if nested else captions
    if captions == "auto":
        raise SourceError(
            f"{folder} holds {len(pictures)} images but no captions: no {TABLES[0]} or other "
            "table, no .txt file beside an image, no sub-folders"
        )
    entry = _sidecar_entry if captions == "sidecar" else _subfolder_entry
    entries, bad = [], []
    for position, name in enumerate(pictures):
        try:
            if reason := missing(str(folder / name)):
                raise BadExample(name, "image", reason)
            entries.append(entry(position, folder, name))
        except BadExample as error:
            bad.append(error)
    return FoundFiles(
        str(folder),
        entries,
        bad,
        ("image", "text"),
        len(pictures),
        notes=(f"captions from {_LAYOUTS[captions]}", *unfollowed),
    )


_LAYOUTS = {"sidecar": "the .txt file beside each image", "subfolder": "names of sub-folders"}


def _pictures(folder: Path) -> tuple[list[str], list[str]]:
    """Paths of all images below a folder, relative to it, in sorted order; and notes.

    A link to a folder gives its images a second name, but each link is followed once: where links
    lie behind links, the number of paths doubles with each of them.
    """

    def fail(error: OSError) -> None:
        raise SourceError(f"{error.filename} cannot be listed: {error.strerror}") from error

    found: list[str] = []
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
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                found.append(os.path.relpath(os.path.join(place, name), folder))
    notes = [f"{again:,} links that were met a second time are not followed"] if again else []
    return sorted(found), notes


def _sidecar_entry(position: int, folder: Path, name: str) -> Entry:
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
    return Entry(position, name, name, {"image": str(folder / name)}, {"text": captions}, {})


def _subfolder_entry(position: int, folder: Path, name: str) -> Entry:
    group = os.path.basename(os.path.dirname(name))
    caption = re.sub(r"[_\-\s]+", " ", group).strip()
    if not caption:
        raise BadExample(name, "text", "it lies in no sub-folder, so it has no caption")
    files = {"image": str(folder / name)}
    return Entry(position, name, name, files, {"text": [caption]}, {"group": group})

"""Shards that `python -m mmjax.data.convert` wrote: the records of any source, as they were."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax import digests
from mmjax.data.formats.files import existing, refuse_pointer
from mmjax.data.formats.packing import VERSION, unpack
from mmjax.data.records import BadExample, Record, Source, SourceError
from mmjax.data.splits import Split, choose
from mmjax.files import DamagedFile, read_json
from mmjax.schema.bounds import BelowOne
from mmjax.schema.values import describe, fits

INDEX = "index.json"


class ArrayRecordSource(Source):
    """A folder of ArrayRecord shards and their `index.json`, read at random positions.

    Records, their order, ids, labels and bad examples are those of the source that was converted,
    so that a run on the shards sees the same batches as one on that source. A record that does not
    have the checksum that was written with it is a bad example.

    Args:
      path: the folder.
      split: 'train', 'val' or 'all', by a hash of each record's key.
      val_fraction: the share of examples in 'val'.
      verify: compare the SHA-256 of every shard at the start, which reads all of them.

    Raises:
      SourceError: when the folder is no finished conversion, or a shard is missing or changed.
    """

    def __init__(
        self, *, path: str, split: Split = "all", val_fraction: BelowOne = 0.1, verify: bool = False
    ):
        self.path = existing(path, "folder of shards")
        about = read_index(self.path)
        self.modalities = tuple(about["modalities"])
        self.label_fields = tuple(about["label_fields"])
        self.may_lack = tuple(about["may_lack"])
        self.id_limit = about["id_limit"]
        self.bad = [BadExample(*error) for error in about["bad"]]
        self._shards = [self.path / shard["file"] for shard in about["shards"]]
        self._ends = list(itertools.accumulate(shard["records"] for shard in about["shards"]))
        self._listed = self._ends[-1] + len(self.bad)
        for file, shard in zip(self._shards, about["shards"], strict=True):
            check_shard(file, shard, whole=verify)
        self._open()
        rows = range(self._ends[-1])
        # A name has to be read from its record, which a whole set can be spared.
        self._rows = rows if split == "all" else choose(path, rows, self._name, split, val_fraction)

    def _open(self) -> None:
        # Imported late: the library takes a while, which only users of this source should pay.
        from array_record.python import array_record_data_source

        try:
            self._readers = [
                array_record_data_source.ArrayRecordDataSource([str(file)]) for file in self._shards
            ]
        except Exception as error:  # the library raises what its C++ raises
            raise SourceError(f"{self.path}: a shard cannot be opened: {error}") from error
        ends = itertools.accumulate(map(len, self._readers))
        if self._ends != list(ends):
            raise SourceError(
                f"{self.path}: the shards have other numbers of records than {INDEX} says: copy "
                "them again, or convert the data again"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_readers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        """The id of a record that cannot be read."""
        try:
            return int(self._entry(self._rows[index])["id"])
        except BadExample:
            return self._rows[index]

    def __getitem__(self, index: int) -> Record:
        entry = self._entry(self._rows[index])
        if "error" in entry:
            raise BadExample(*entry["error"])
        record: Record = entry["record"]
        return record

    def _entry(self, row: int) -> dict[str, Any]:
        shard = bisect.bisect_right(self._ends, row)
        place = row - (self._ends[shard - 1] if shard else 0)
        try:
            entry: dict[str, Any] = unpack(self._readers[shard][place])
        except Exception as error:  # the library raises what its C++ raises
            key = f"{self._shards[shard].name} record {place}"
            reason = " ".join(str(error).split())
            raise BadExample(key, "record", f"it cannot be read: {reason:.200}") from error
        return entry

    def _name(self, row: int) -> str:
        try:
            entry = self._entry(row)
        except BadExample as error:
            return error.key
        return str(entry["error"][0] if "error" in entry else entry["record"]["key"])

    def describe(self) -> str:
        skipped = f", {len(self.bad)} bad rows skipped before" if self.bad else ""
        return f"{self.path}: {len(self):,} examples in {len(self._shards)} shards{skipped}"


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a finished conversion.

    Raises:
      SourceError: when there is none, or it is damaged.
    """
    file = folder / INDEX
    refuse_pointer(file)
    if not file.is_file():
        raise SourceError(
            f"{folder} holds no {INDEX}: it is no folder of python -m mmjax.data.convert, or one "
            "that was interrupted; give that command again to finish it"
        )
    try:
        about = read_json(file)
    except DamagedFile as error:
        raise SourceError(f"{error}: convert the data again") from error
    for key, kind in _INDEX.items():
        if not fits(about.get(key), kind):
            raise SourceError(
                f"{file} is damaged: {key!r} should be {describe(kind)}: convert the data again"
            )
    if not about["shards"] or not all(map(is_shard, about["shards"])) or about["id_limit"] < 1:
        raise SourceError(
            f"{file} is damaged: its numbers or names are none: convert the data again"
        )
    if (version := about.get("version", 1)) != VERSION:
        raise SourceError(
            f"{file} is of version {version} of the shards, and this mmjax reads version "
            f"{VERSION}: convert the data again with python -m mmjax.data.convert"
        )
    return about


_INDEX: Mapping[str, Any] = {
    "modalities": list[str],
    "label_fields": list[str],
    "may_lack": list[str],
    "id_limit": int,
    "bad": list[tuple[str, str, str]],
    "shards": list[dict[str, Any]],
}
_SHARD: Mapping[str, Any] = {"file": str, "records": int, "bytes": int, "sha256": str}


def is_shard(about: Mapping[str, Any]) -> bool:
    """Whether this is what was written down of a shard, which lies in the folder itself."""
    known = all(fits(about.get(key), kind) for key, kind in _SHARD.items())
    return known and about["records"] > 0 and Path(about["file"]).name == about["file"]


def check_shard(file: Path, shard: dict[str, Any], *, whole: bool) -> None:
    """Compares a shard's size, and with `whole` its SHA-256, with what was written down of it.

    Raises:
      SourceError: when it is missing or another.
    """
    refuse_pointer(file)
    if not file.is_file():
        raise SourceError(f"the shard {file} is missing: copy it again, or convert the data again")
    size = file.stat().st_size
    if size != shard["bytes"]:
        raise SourceError(
            f"the shard {file} has {size:,} bytes, not the {shard['bytes']:,} that were written: "
            "copy it again, or convert the data again"
        )
    if whole and digests.sha256(file) != shard["sha256"]:
        raise SourceError(
            f"the shard {file} has another SHA-256 than when it was written: copy it again, or "
            "convert the data again"
        )

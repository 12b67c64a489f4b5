"""Tar shards in the WebDataset layout, read at random positions."""

from __future__ import annotations

import glob
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mmjax.data.formats import remote, tar_index
from mmjax.data.formats.files import missing, suffixes
from mmjax.data.formats.tar_index import Entry, Layout, ShardIndex
from mmjax.data.formats.tars import HEADER
from mmjax.data.records import BadExample, Record, Source, SourceError
from mmjax.data.sources.chosen_rows import ChosenRows
from mmjax.data.sources.manifest_rows import is_text
from mmjax.data.sources.user_files import OnError, settle
from mmjax.data.splits import Split, check_split, split_limit
from mmjax.files import pointer
from mmjax.schema.bounds import BelowOne

IMAGE_MEMBERS = tuple(suffix[1:] for suffix in suffixes("image"))


class WebDatasetSource(Source):
    """Tar shards (WebDataset) whose members share a stem: `000.jpg`, `000.txt`, `000.json`.

    The shards are plain tar files, such as img2dataset writes. Their headers are read once, into
    an index beside them (`mmjax.data.formats.tar_index`); from then on any sample is one seek away,
    so that the order of the data is the same seeded shuffle as for every other source, and resuming
    needs no shuffle buffer and no resampling of shards. The extension of a member is what follows
    the first point of its file name. A member `.cls` is carried along as the label `label`.

    Args:
      path: a file, a folder, or a pattern with `*` or braces: `shards/{000..015}.tar`; also as an
        address, `s3://bucket/{000..015}.tar`.
      modality: of the files beside the captions: 'image', 'audio', 'video', 'points', by their
        usual extensions, or any other, in .npy and .csv.
      members: {modality: extensions}, in place of `modality` and `text_members`: the first that a
        sample has is taken. `{'audio': ('flac',), 'text': ('txt',)}`; with `image@second`, two
        images of a sample.
      image_members: extensions of the modality `image`, unless `members` names it.
      text_members: extensions of the caption; `json` holds an object with a caption in it. In the
        other kinds, the whole text is one caption.
      json_fields: names of the caption in a .json member; the first that is there is taken.
      split: 'train', 'val' or 'all', by a hash of the stem.
      val_fraction: the share of samples in 'val'.
      on_error: 'skip' or 'fail', for samples without one of the modalities and for shards that are
        cut off; the samples before the cut are used.

    Raises:
      SourceError: if no shard is found, one is compressed, its index can be written nowhere, or no
        sample is usable.
    """

    modalities: tuple[str, ...] = ("image", "text")  # of the default members

    def __init__(
        self,
        *,
        path: str,
        modality: str = "image",
        members: dict[str, tuple[str, ...]] | None = None,
        image_members: tuple[str, ...] = IMAGE_MEMBERS,
        text_members: tuple[str, ...] = ("txt", "json"),
        json_fields: tuple[str, ...] = ("caption", "text"),
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
        on_error: OnError = "skip",
    ):
        self.name = path
        own = tuple(suffix[1:] for suffix in suffixes(modality))
        if modality == "image":
            own = image_members
        chosen = {modality: own, "text": text_members} if members is None else members
        self.members = {field: _extensions(field, given) for field, given in chosen.items()}
        self.modalities = tuple(self.members)
        self.json_fields = tuple(json_fields)
        self._indexes = tar_index.open_all(find_shards(path))
        self._usable = ChosenRows(self._masks(self._is_usable))
        self.shards, self.id_limit = len(self._indexes), len(self._usable)
        unusable = ChosenRows(self._masks(lambda layout: not self._is_usable(layout)))
        left_out = _LeftOut(self._indexes, unusable, self._lacks)
        self.bad = settle(path, len(self._usable), left_out, on_error)
        self._listed = len(self._usable) + len(self.bad)
        limit = split_limit(path, split, val_fraction)
        self._rows = self._usable
        if split != "all":
            self._rows = ChosenRows(self._masks(self._is_usable, split, limit))
            check_split(path, len(self._rows), len(self._usable), split, val_fraction)
        if any(LABEL in layout for index in self._indexes for layout in index.layouts):
            has = lambda layout: self._is_usable(layout) and LABEL in layout  # noqa: E731
            if labelled := len(ChosenRows(self._masks(has, split, limit))):
                self.label_fields = ("label",)
                self.may_lack = () if labelled == len(self._rows) else ("label",)

    def _lacks(self, layout: Layout) -> tuple[str, str] | None:
        """The first field that a sample is without, and why; None if it has all."""
        for field, wanted in self.members.items():
            if not set(wanted) & set(layout):
                has = ", ".join(sorted(layout))
                return field, f"it has no member .{', .'.join(wanted)}, only {has}"
        return None

    def _is_usable(self, layout: Layout) -> bool:
        return self._lacks(layout) is None

    def _masks(
        self, wanted: Callable[[Layout], bool], split: Split = "all", limit: int = 0
    ) -> Iterator[tuple[int, np.ndarray | bool]]:
        """Of every shard, the number of its samples, and which are wanted and in the split."""
        for index in self._indexes:
            kinds = [wanted(layout) for layout in index.layouts]
            mask: np.ndarray | bool = all(kinds)
            if any(kinds) and not all(kinds):
                mask = np.array(kinds)[index.layout_numbers()]
            if split != "all" and any(kinds):
                held_out = index.split_numbers() < np.uint64(limit)
                mask = mask & (held_out if split == "val" else ~held_out)
            yield index.count, mask

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        return self._usable.number(*self._rows.place(index))

    def __getitem__(self, index: int) -> Record:
        shard, row = self._rows.place(index)
        sample = self._indexes[shard].entry(row)
        record: Record = {"id": self._usable.number(shard, row), "key": sample.key}
        for field, wanted in self.members.items():
            extension, content = self._read(sample, field, wanted)
            record[field] = (
                self._caption(sample, field, extension, content) if is_text(field) else content
            )
        if LABEL in sample.members:
            record["label"] = _text(sample, "label", *self._read(sample, "label", (LABEL,)))
        return record

    def describe(self) -> str:
        skipped = f", {len(self.bad)} bad samples or shards skipped" if self.bad else ""
        return f"{self.name}: {len(self):,} examples in {self.shards} tar shards{skipped}"

    def _read(self, sample: Entry, field: str, wanted: tuple[str, ...]) -> tuple[str, bytes]:
        """The extension and the bytes of the first wanted member."""
        extension = next(e for e in wanted if e in sample.members)
        offset, size, header = sample.members[extension]
        if not size:
            raise BadExample(sample.key, field, f"the member .{extension} is empty")
        try:
            content = _part(sample.shard, offset - HEADER, offset + size)
        except OSError as error:
            raise BadExample(sample.key, field, f"the shard cannot be read: {error}") from error
        if len(content) < HEADER + size:
            raise BadExample(sample.key, field, "the shard was cut short after the start")
        if zlib.crc32(content[:HEADER]) != header:
            raise BadExample(sample.key, field, "the shard was changed after it was indexed")
        content = content[HEADER:]
        if what := pointer(content):
            raise BadExample(sample.key, field, f"the member .{extension} is only {what}")
        return extension, content

    def _caption(
        self, sample: Entry, field: str, extension: str, content: bytes
    ) -> str | list[str]:
        text = _text(sample, field, extension, content)
        if extension.rpartition(".")[2] != "json":
            return text
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _undecoded(sample, field, extension, error) from error
        if not isinstance(fields, dict) or not (named := set(self.json_fields) & set(fields)):
            reason = f"the member .json has none of the fields {', '.join(self.json_fields)}"
            raise BadExample(sample.key, field, reason)
        found: str | list[str] = fields[next(name for name in self.json_fields if name in named)]
        return found


LABEL = "cls"


def _extensions(field: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The extensions of a modality as members have them: lower case, without the first point."""
    if not given or not all(each.strip(".") for each in given):
        raise SourceError(
            f"members gives {field!r} the extensions {given!r}; give some, such as ('flac', 'wav')"
        )
    return tuple(each.lower().removeprefix(".") for each in given)


def _text(sample: Entry, field: str, extension: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").strip()
    except ValueError as error:
        raise _undecoded(sample, field, extension, error) from error


def _undecoded(sample: Entry, field: str, extension: str, error: Exception) -> BadExample:
    reason = f"the member .{extension} is not {extension} in UTF-8 ({error})"
    return BadExample(sample.key, field, reason)


def _part(shard: str, start: int, stop: int) -> bytes:
    """Bytes of a shard. It is opened anew: no handle to share among threads, nothing to pickle."""
    if remote.is_remote(shard):
        return remote.read(shard, start, stop)
    with open(shard, "rb", buffering=0) as file:
        file.seek(start)
        return file.read(stop - start)


def find_shards(path: str) -> list[str]:
    """The tar files of a folder or pattern, in the order of the pattern or sorted.

    An address is a folder unless it ends in `.tar` or has a `*`.
    """
    glob_of = remote.find if remote.is_remote(path) else _glob
    is_folder = os.path.isdir(path)
    if remote.is_remote(path):
        is_folder = not path.endswith(".tar") and "*" not in path
    if is_folder:
        folder = path.rstrip("/") if remote.is_remote(path) else glob.escape(path)
        shards = glob_of(os.path.join(folder, "*.tar"))
    else:
        shards = [
            found for name in _expand(path) for found in (glob_of(name) if "*" in name else [name])
        ]
    if not shards:
        raise SourceError(f"no .tar shard is found by {path!r}")
    for shard in shards:
        # What is wrong with one at an address, opening its index says.
        if not remote.is_remote(shard) and (reason := missing(shard)):
            raise SourceError(f"{path}: {reason}")
    return shards


def _glob(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))


def _expand(pattern: str) -> Iterator[str]:
    """`a{08..10}b` -> a08b, a09b, a10b; `a{x,y}` -> ax, ay; several braces multiply."""
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if not brace:
        yield pattern
        return
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", brace[1])
    if numbers:
        width = len(numbers[1])
        items = [f"{i:0{width}d}" for i in range(int(numbers[1]), int(numbers[2]) + 1)]
    else:
        items = brace[1].split(",")
    for item in items:
        yield from _expand(pattern[: brace.start()] + item + pattern[brace.end() :])


class _LeftOut(Sequence[BadExample]):
    """What of the shards cannot be used, in their order; errors are made when they are asked for.

    Args:
      indexes: of the shards.
      unusable: samples of them.
      lacks: the field and the reason, by the extensions of a sample.
    """

    def __init__(
        self,
        indexes: Sequence[ShardIndex],
        unusable: ChosenRows,
        lacks: Callable[[Layout], tuple[str, str] | None],
    ):
        self._indexes, self._unusable, self._lacks = indexes, unusable, lacks
        self._ends = np.cumsum([len(i.bad) + unusable.count(s) for s, i in enumerate(indexes)])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        position = range(len(self))[position]
        shard = int(np.searchsorted(self._ends, position, "right"))
        own = self._indexes[shard].bad
        place = position - int(self._ends[shard]) + len(own) + self._unusable.count(shard)
        if place < len(own):
            return own[place]
        first = self._unusable.number(shard, 0)
        sample = self._indexes[shard].entry(self._unusable.place(first + place - len(own))[1])
        lacks = self._lacks(tuple(sample.members))
        assert lacks is not None
        return BadExample(sample.key, *lacks)

"""Indexes of tar shards: a file beside each shard that says where the members of its samples lie.

`shards/.mmjax-index/000.tar.index` is made when the shard is first opened, and again when its size
or time of change is another. Where that folder cannot be written, the index is in the user's cache
folder. A process keeps some hundred bytes for each shard; the entry of a sample is read from the
file when the sample is. Several processes may make the same index: a file is there whole or not at
all, and what it holds depends on the shard alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import random
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmjax.data.formats import remote
from mmjax.data.formats.tars import Member, Samples, key_of, read_samples
from mmjax.data.records import BadExample, SourceError
from mmjax.data.splits import split_number
from mmjax.files import reason, replacing, user_cache

logger = logging.getLogger("mmjax")

FOLDER = ".mmjax-index"
THREADS = 8  # which wait for the disk or the network; of headers themselves they read one at a time
# A change within so many seconds of another may leave the time of a file as it was.
_CLOCK = 2
# Magic and version; CRC-32 of the rest of this and of the JSON; length of the JSON; numbers of
# samples, of members, of bytes of stems; the shard's size and time; when this was written.
_START = struct.Struct("<8sIIQQQQqq")
_MAGIC = b"mmtari01"
# `member` and `stem` are where those of a sample begin; a last row says where they end. `split`
# decides between training and held-out samples, `check` is the CRC-32 of members and stem.
_ROW = np.dtype(
    [("split", "<u8"), ("member", "<u4"), ("stem", "<u4"), ("layout", "<u4"), ("check", "<u4")]
)
_ONE_ROW = struct.Struct("<QIIII")
_MEMBER = struct.Struct("<QQI")

Layout = tuple[str, ...]  # extensions of the members of a sample, in their order


class Entry(NamedTuple):
    """One sample.

    Attributes:
      shard: its file.
      stem: of the members' names.
      members: by their extensions.
    """

    shard: str
    stem: str
    members: dict[str, Member]

    @property
    def key(self) -> str:
        return key_of(self.shard, self.stem)


@dataclasses.dataclass(frozen=True, slots=True)
class ShardIndex:
    """What a process keeps of a shard's index.

    Attributes:
      shard: its file.
      file: of the index.
      count: of the samples.
      layouts: those that samples have.
      bad: what of the shard cannot be used.
    """

    shard: str
    file: str
    count: int
    layouts: tuple[Layout, ...]
    bad: tuple[BadExample, ...]
    _start: tuple[Any, ...]
    _rows_check: int  # CRC-32 of all rows

    def layout_numbers(self) -> np.ndarray:
        """u32[count]: of each sample, which of the layouts it has."""
        return self._rows()["layout"][:-1]

    def split_numbers(self) -> np.ndarray:
        """u64[count]: `split_number` of each sample's stem."""
        return self._rows()["split"][:-1]

    def entry(self, row: int) -> Entry:
        """The sample of a row, of 0 .. count - 1.

        Raises:
          BadExample: when the shard was changed since it was opened, or the index is damaged.
        """
        members_at = _START.size + (self.count + 1) * _ROW.itemsize
        _, _, _, _, members, letters, *_ = self._start
        with self._open() as read:
            rows = read(_START.size + row * _ROW.itemsize, 2 * _ROW.itemsize)
            if len(rows) < 2 * _ROW.itemsize:
                raise self._damaged(row)
            (_, first, start, layout, check), (_, last, stop, *_) = _ONE_ROW.iter_unpack(rows)
            if not (first <= last <= members and start <= stop <= letters):
                raise self._damaged(row)
            own = read(members_at + first * _MEMBER.size, (last - first) * _MEMBER.size)
            stem = read(members_at + members * _MEMBER.size + start, stop - start)
        if zlib.crc32(stem, zlib.crc32(own)) != check or layout >= len(self.layouts):
            raise self._damaged(row)
        places = map(Member._make, _MEMBER.iter_unpack(own))
        found = dict(zip(self.layouts[layout], places, strict=True))
        return Entry(self.shard, stem.decode("utf-8", "surrogateescape"), found)

    def _damaged(self, row: int) -> BadExample:
        key = f"{os.path.basename(self.shard)} sample number {row}"
        return BadExample(key, "index", f"{self.file} is damaged: delete it")

    def _rows(self) -> np.ndarray:
        with self._open() as read:
            rows = read(_START.size, (self.count + 1) * _ROW.itemsize)
        if zlib.crc32(rows) != self._rows_check:
            raise SourceError(f"the index {self.file} is damaged: delete it")
        return np.frombuffer(rows, _ROW)

    def _open(self) -> _Reader:
        """The index, made again where somebody has deleted it."""
        name = os.path.basename(self.shard)
        try:
            reader = _Reader(self.file)
        except OSError:
            try:
                reader = _Reader(make(self.shard).file)
            except SourceError as error:
                raise BadExample(name, "shard", str(error)) from error
        # All but the checksum and the time of writing, which another process may have renewed.
        start = reader(0, _START.size)
        if len(start) < _START.size or _START.unpack(start)[2:-1] != self._start[2:-1]:
            reader.__exit__()
            raise BadExample(name, "shard", "it was changed after the start")
        return reader


class _Reader:
    """A file, read at any place: `read(offset, size)`."""

    def __init__(self, file: str):
        self._handle = os.open(file, os.O_RDONLY)

    def __enter__(self) -> Callable[[int, int], bytes]:
        return self

    def __call__(self, offset: int, size: int) -> bytes:
        return os.pread(self._handle, size, offset)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def open_all(shards: Sequence[str]) -> list[ShardIndex]:
    """The indexes of shards; those that are missing or old are made.

    Raises:
      SourceError: when a shard cannot be indexed, or its index not be written anywhere.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(existing, shards))
        lacking = [i for i, index in enumerate(found) if index is None]
        if len(lacking) > 1:
            logger.info(f"indexing {len(lacking):,} of {len(shards):,} shards, for once")
        # Processes that start together share the work by beginning at different shards.
        turn = random.randrange(len(lacking)) if lacking else 0
        lacking = lacking[turn:] + lacking[:turn]
        made = pool.map(lambda i: existing(shards[i]) or make(shards[i]), lacking)
        for i, index in zip(lacking, made, strict=True):
            found[i] = index
    same: dict[Any, Any] = {}  # shards of one data set mostly have the same layouts
    return [
        dataclasses.replace(index, layouts=same.setdefault(index.layouts, index.layouts))
        for index in found
        if index is not None
    ]


def existing(shard: str) -> ShardIndex | None:
    """The index of a shard as it is now; None where there is none, or an old one.

    Raises:
      RemoteError: when an address cannot be read.
    """
    if not remote.is_remote(shard):
        now = _state(os.stat(shard))
        return next((i for file in _places(shard) if (i := _read(shard, file, now))), None)
    now = remote.state(shard)
    (file,) = _places(shard)
    return _read(shard, file, now) or _copied(shard, file, now)


def _copied(shard: str, file: Path, now: tuple[int, int]) -> ShardIndex | None:
    """The index that lies beside a shard at an address, if it is of a shard of this size."""
    folder, _, name = shard.rpartition("/")
    try:
        content = remote.read(f"{folder}/{FOLDER}/{name}.index")
    except remote.RemoteMissing:
        return None
    if len(content) < _START.size or not content.startswith(_MAGIC):
        return None
    # Its time is that of the disk on which it was made. Whether the shard is the same as there, the
    # checksum of every header says.
    *known, size, _, written = _START.unpack_from(content)
    about = content[_json_at(known) :]
    if size != now[0] or _parsed(shard, file, content) is None:
        return None
    start = _started(about, *known[3:], *now, written)
    return _written(shard, start + content[_START.size :])


def make(shard: str) -> ShardIndex:
    """Reads the headers of a shard and writes its index.

    Raises:
      SourceError: when it cannot be read, is compressed, or its index cannot be written anywhere.
    """
    try:
        # The state before the headers, so that an index of a shard that is being written is old.
        if remote.is_remote(shard):
            state = remote.state(shard)
            with remote.opened(shard, state[0]) as stream:
                content = _packed(read_samples(shard, stream, state[0]), state)
        else:
            with open(shard, "rb") as stream:
                state = _state(os.fstat(stream.fileno()))
                content = _packed(read_samples(shard, stream, state[0]), state)
    except remote.RemoteError:
        raise
    except OSError as error:
        raise SourceError(f"the shard {shard} cannot be read: {reason(error)}") from error
    return _written(shard, content)


def _written(shard: str, content: bytes) -> ShardIndex:
    """Writes an index to where it can be."""
    refused = []
    for file in _places(shard):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file, f".{os.getpid()}-{random.getrandbits(32):x}") as part:
                part.write_bytes(content)
        except OSError as error:
            refused.append(f"{file.parent} ({reason(error)})")
            continue
        if (index := _parsed(shard, file, content)) is not None:
            return index
    raise SourceError(
        f"the index of {shard} can be written neither to {' nor to '.join(refused)}: make one of "
        "the folders writable, or set XDG_CACHE_HOME to one that is"
    )


def _places(shard: str) -> tuple[Path, ...]:
    """Where the index of a shard may be: beside it, and in the user's cache."""
    if remote.is_remote(shard):
        folder, _, name = shard.rpartition("/")
        return (_cached(folder, name),)
    folder, name = os.path.split(os.path.abspath(shard))
    return Path(folder, FOLDER, f"{name}.index"), _cached(os.path.realpath(folder), name)


def _cached(folder: str, name: str) -> Path:
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return user_cache("shards", digest, f"{name}.index")


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _read(shard: str, file: Path, state: tuple[int, int]) -> ShardIndex | None:
    """The index in a file, if it is whole and of this state of the shard."""
    try:
        with _Reader(str(file)) as read:
            start = read(0, _START.size)
            if len(start) < _START.size or not start.startswith(_MAGIC):
                return None
            *_, size, changed, written = numbers = _START.unpack(start)
            if (size, changed) != state:
                return None
            if not remote.is_remote(shard) and written - changed < _CLOCK * 10**9:
                return None
            length, at = numbers[2], _json_at(numbers)
            return _parsed(shard, file, start, read(at, length + 1))
    except OSError:
        return None


def _json_at(numbers: Sequence[Any]) -> int:
    """Where the JSON begins, which is the end of the file."""
    count, members, stems = numbers[3:6]
    at: int = _START.size + (count + 1) * _ROW.itemsize + members * _MEMBER.size + stems
    return at


def _parsed(shard: str, file: Path, start: bytes, about: bytes | None = None) -> ShardIndex | None:
    """An index by its start and its JSON, or by its whole content; None for a damaged one."""
    numbers = _START.unpack_from(start)
    if about is None:
        about = start[_json_at(numbers) :]
    _, checksum, length, count, *_ = numbers
    if len(about) != length or zlib.crc32(about, zlib.crc32(start[12 : _START.size])) != checksum:
        return None
    said = json.loads(about)
    layouts = tuple(map(tuple, said["layouts"]))
    bad = tuple(BadExample(*error) for error in said["bad"])
    return ShardIndex(shard, str(file), count, layouts, bad, numbers, said["rows"])


def _packed(samples: Samples, state: tuple[int, int]) -> bytes:
    """The content of an index."""
    layouts: dict[Layout, int] = {}
    stems = [stem.encode("utf-8", "surrogateescape") for stem in samples.members]
    rows = np.zeros(len(stems) + 1, _ROW)
    rows["split"][:-1] = [split_number(stem) for stem in samples.members]
    rows["stem"][1:] = np.cumsum([len(stem) for stem in stems])
    rows["member"][1:] = np.cumsum([len(own) for own in samples.members.values()])
    rows["layout"][:-1] = [
        layouts.setdefault(tuple(own), len(layouts)) for own in samples.members.values()
    ]
    places = [
        b"".join(_MEMBER.pack(*member) for member in own.values())
        for own in samples.members.values()
    ]
    rows["check"][:-1] = [
        zlib.crc32(stem, zlib.crc32(own)) for own, stem in zip(places, stems, strict=True)
    ]
    errors = [[e.key, e.field, e.reason] for e in samples.bad]
    table, members, letters = rows.tobytes(), b"".join(places), b"".join(stems)
    said = {"layouts": list(layouts), "bad": errors, "rows": zlib.crc32(table)}
    about = json.dumps(said).encode()
    count = len(members) // _MEMBER.size
    start = _started(about, len(stems), count, len(letters), *state, time.time_ns())
    return start + table + members + letters + about


def _started(about: bytes, *numbers: int) -> bytes:
    """The start of an index, with the checksum of itself and of the JSON."""
    start = _START.pack(_MAGIC, 0, len(about), *numbers)
    return _START.pack(_MAGIC, zlib.crc32(about, zlib.crc32(start[12:])), len(about), *numbers)

"""Plain tar files by their headers alone: the members in order, and where a file is damaged."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from mmjax.data.records import BadExample, SourceError

HEADER = 512  # bytes of a header, which come right before the content of a member


class Member(NamedTuple):
    """Where a member lies in its tar.

    Attributes:
      offset: of the content.
      size: of the content.
      header: CRC-32 of the header before it, by which it is known again.
    """

    offset: int
    size: int
    header: int


class Samples(NamedTuple):
    """The samples of a shard, and what of it cannot be used.

    Attributes:
      members: {stem: {extension: member}}, in the order of the file.
      bad: the damage of the shard, and the samples with two members of one extension.
    """

    members: dict[str, dict[str, Member]]
    bad: list[BadExample]


class _Damage(Exception):
    """A tar cannot be read to its end."""


def key_of(shard: str, stem: str) -> str:
    """What a person recognises a sample by."""
    return f"{os.path.basename(shard)} sample {stem}"


def read_samples(shard: str, file: IO[bytes], length: int) -> Samples:
    """The samples of a shard: members of one stem, what follows the first point their extensions.

    Args:
      shard: its path, for messages.
      file: the shard, opened for reading at any place.
      length: of it, in bytes.

    Raises:
      SourceError: when it is compressed.
      OSError: when it cannot be read.
    """
    samples: dict[str, dict[str, Member]] = {}
    twice: dict[str, str] = {}
    bad: list[BadExample] = []
    try:
        for name, member in _members(shard, file, length):
            folder, base = os.path.split(name)
            first, _, extension = base.partition(".")
            if not first or not extension:  # a hidden file, or one without a kind
                continue
            extension = extension.lower()
            stem = os.path.join(folder, first)
            own = samples.setdefault(stem, {})
            if extension in own:
                twice.setdefault(stem, extension)
            own[extension] = member
    except _Damage as error:
        bad.append(BadExample(os.path.basename(shard), "shard", str(error)))
    for stem, extension in twice.items():
        del samples[stem]
        reason = f"it has two members .{extension}, which is ambiguous"
        bad.append(BadExample(key_of(shard, stem), extension, reason))
    return Samples(samples, bad)


def _members(shard: str, file: IO[bytes], length: int) -> Iterator[tuple[str, Member]]:
    """The plain files of a tar in order; raises _Damage where it is cut off or damaged."""
    end = 0  # of the last good member
    if file.read(4)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7", b"\x28\xb5"):
        raise SourceError(
            f"{shard} is compressed; reading at random positions needs a plain .tar, so "
            "unpack it (images hardly get smaller by it)"
        )
    file.seek(0)
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # which it would keep
            # Before Python 3.12.5 a negative size sends tarfile round in circles.
            if member.size < 0 or member.offset < end or member.issparse():
                raise tarfile.ReadError("a header makes no sense")
            if member.offset_data + member.size > length:
                raise tarfile.ReadError(f"it ends inside its member {member.name}")
            end = member.offset_data + member.size
            if member.isreg():
                file.seek(member.offset_data - HEADER)
                header = zlib.crc32(file.read(HEADER))
                yield member.name, Member(member.offset_data, member.size, header)
        # tarfile takes a damaged header for the end of the file, but the end is zeros.
        file.seek(archive.offset)
        if not (block := file.read(HEADER)) or block.strip(b"\0"):
            raise tarfile.ReadError("it has no end mark")
    except OSError:  # of the disk or the network: no damage to be remembered
        raise
    except Exception as error:  # damaged headers make tarfile raise nearly anything
        after = f"after byte {end} ({error}); the samples before that are used"
        reason = f"it is cut off or damaged {after}" if end else f"it is not a tar ({error})"
        raise _Damage(reason) from error

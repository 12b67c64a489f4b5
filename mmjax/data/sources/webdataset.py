"""Tar shards in the WebDataset layout, read at random positions."""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from mmjax.data.formats.files import missing, suffixes
from mmjax.data.records import BadExample, Record, Source, SourceError
from mmjax.data.sources.manifest_rows import is_text
from mmjax.data.sources.user_files import OnError, Split, choose, settle
from mmjax.files import pointer
from mmjax.schema.bounds import BelowOne


class Sample(NamedTuple):
    """Where the members of one example lie: {extension: (offset, size)} in a shard."""

    id: int
    shard: str
    stem: str
    members: dict[str, tuple[int, int]]

    @property
    def key(self) -> str:
        return f"{os.path.basename(self.shard)} sample {self.stem}"


IMAGE_MEMBERS = tuple(suffix[1:] for suffix in suffixes("image"))


class WebDatasetSource(Source):
    """Tar shards (WebDataset) whose members share a stem: `000.jpg`, `000.txt`, `000.json`.

    The shards are plain tar files, such as img2dataset writes. Their headers are read once, at the
    start; from then on any sample is one seek away, so that the order of the data is the same
    seeded shuffle as for every other source, and resuming needs no shuffle buffer and no resampling
    of shards. The extension of a member is what follows the first point of its file name. A member
    `.cls` is carried along as the label `label`.

    Args:
      path: a file, a folder, or a pattern with `*` or braces: `shards/{000..015}.tar`.
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
      SourceError: if no shard is found, one is compressed, or no sample is usable.
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
        shards = find_shards(path)
        samples: list[Sample] = []
        bad: list[BadExample] = []
        for shard in shards:
            for sample in read_index(shard, bad):
                sample = sample._replace(id=len(samples))
                for field, wanted in self.members.items():
                    if not set(wanted) & set(sample.members):
                        has = ", ".join(sorted(sample.members))
                        reason = f"it has no member .{', .'.join(wanted)}, only {has}"
                        bad.append(BadExample(sample.key, field, reason))
                        break
                else:
                    samples.append(sample)
        self.shards, self.id_limit = len(shards), len(samples)
        self.bad = settle(path, len(samples), bad, on_error)
        self._listed = len(samples) + len(self.bad)
        self.samples = choose(path, samples, lambda s: s.stem, split, val_fraction)
        if any(LABEL in sample.members for sample in samples):
            self.label_fields = ("label",)
            self.may_lack = () if all(LABEL in s.members for s in samples) else ("label",)

    def __len__(self) -> int:
        return len(self.samples)

    def id_of(self, index: int) -> int:
        return self.samples[index].id

    def __getitem__(self, index: int) -> Record:
        sample = self.samples[index]
        record: Record = {"id": sample.id, "key": sample.key}
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

    def _read(self, sample: Sample, field: str, wanted: tuple[str, ...]) -> tuple[str, bytes]:
        """The extension and the bytes of the first wanted member."""
        extension = next(e for e in wanted if e in sample.members)
        offset, size = sample.members[extension]
        if not size:
            raise BadExample(sample.key, field, f"the member .{extension} is empty")
        try:
            # Opened anew for each read: no handle to share among threads, nothing to pickle.
            with open(sample.shard, "rb", buffering=0) as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise BadExample(sample.key, field, f"the shard cannot be read: {error}") from error
        if len(content) < size:
            raise BadExample(sample.key, field, "the shard was cut short after the start")
        if what := pointer(content):
            raise BadExample(sample.key, field, f"the member .{extension} is only {what}")
        return extension, content

    def _caption(
        self, sample: Sample, field: str, extension: str, content: bytes
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


def _text(sample: Sample, field: str, extension: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").strip()
    except ValueError as error:
        raise _undecoded(sample, field, extension, error) from error


def _undecoded(sample: Sample, field: str, extension: str, error: Exception) -> BadExample:
    reason = f"the member .{extension} is not {extension} in UTF-8 ({error})"
    return BadExample(sample.key, field, reason)


def find_shards(path: str) -> list[str]:
    """The tar files of a folder or pattern, in the order of the pattern or sorted."""
    if os.path.isdir(path):
        shards = sorted(glob.glob(os.path.join(glob.escape(path), "*.tar")))
    else:
        shards = [
            found
            for name in _expand(path)
            for found in (sorted(glob.glob(name)) if "*" in name else [name])
        ]
    if not shards:
        raise SourceError(f"no .tar shard is found by {path!r}")
    for shard in shards:
        if reason := missing(shard):
            raise SourceError(f"{path}: {reason}")
    return shards


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


def read_index(shard: str, bad: list[BadExample]) -> Iterator[Sample]:
    """The samples of a shard by its headers alone; what is wrong with it is added to `bad`."""
    name = os.path.basename(shard)
    samples: dict[str, Sample] = {}
    twice: dict[str, str] = {}
    try:
        for member in _members(shard):
            _add(samples, twice, shard, member)
    except _Damage as error:
        bad.append(BadExample(name, "shard", str(error)))
    for stem, extension in twice.items():
        reason = f"it has two members .{extension}, which is ambiguous"
        bad.append(BadExample(samples.pop(stem).key, extension, reason))
    yield from samples.values()


class _Damage(Exception):
    """A shard cannot be read to its end."""


def _members(shard: str) -> Iterator[tarfile.TarInfo]:
    """The plain files of a tar in order; raises _Damage where it is cut off or damaged."""
    length = os.path.getsize(shard)
    end = 0  # of the last good member
    with open(shard, "rb") as file:
        if file.read(4)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7", b"\x28\xb5"):
            raise SourceError(
                f"{shard} is compressed; reading at random positions needs a plain .tar, so "
                "unpack it (images hardly get smaller by it)"
            )
        file.seek(0)
        try:
            archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
            for member in archive:
                # Before Python 3.12.5 a negative size sends tarfile round in circles.
                if member.size < 0 or member.offset < end or member.issparse():
                    raise tarfile.ReadError("a header makes no sense")
                if member.offset_data + member.size > length:
                    raise tarfile.ReadError(f"it ends inside its member {member.name}")
                end = member.offset_data + member.size
                if member.isreg():
                    yield member
            # tarfile takes a damaged header for the end of the file, but the end is zeros.
            file.seek(archive.offset)
            if not (block := file.read(512)) or block.strip(b"\0"):
                raise tarfile.ReadError("it has no end mark")
        except Exception as error:  # damaged headers make tarfile raise nearly anything
            after = f"after byte {end} ({error}); the samples before that are used"
            reason = f"it is cut off or damaged {after}" if end else f"it is not a tar ({error})"
            raise _Damage(reason) from error


def _add(
    samples: dict[str, Sample], twice: dict[str, str], shard: str, member: tarfile.TarInfo
) -> None:
    folder, file = os.path.split(member.name)
    first, _, extension = file.partition(".")
    if not first or not extension:  # a hidden file, or one without a kind
        return
    extension = extension.lower()
    stem = os.path.join(folder, first)
    sample = samples.setdefault(stem, Sample(-1, shard, stem, {}))
    if extension in sample.members:
        twice.setdefault(stem, extension)
    sample.members[extension] = (member.offset_data, member.size)

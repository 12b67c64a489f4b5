"""Converts the records of any source to ArrayRecord shards.

    python -m mmjax.data.convert --data=captions.csv --out=shards --workers=8
    python -m mmjax.data.convert --config=recipe.py:paper --out=shards

The records are those of `--data` (a table, tar shards, a folder) or of a recipe's `data.source`:
what its views would read, so images stay encoded. `{'type': 'array_record', 'path': 'shards'}`
then takes the place of that source, with the same examples in the same order.

A shard is a stretch of the source of about `--shard_mb`. Each is written under another name and
renamed when it is whole, with its SHA-256 beside it; the same command after an interruption, of
whatever kind, writes those that are missing. `index.json` comes last and makes the folder a data
set. An example that the source cannot read keeps its place and stays a bad example.

`--shard=0/4` to `--shard=3/4` are four processes that write a quarter of the shards each into one
folder that all of them see; the last to end writes `index.json`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import cli, digests
from mmjax.commands import data_source as command
from mmjax.commands import parts
from mmjax.commands.parts import Part
from mmjax.data.batches import start_worker
from mmjax.data.formats.packing import VERSION, pack
from mmjax.data.limits import causes
from mmjax.data.records import BadExample, Source, SourceError
from mmjax.data.report import BadRows
from mmjax.data.sources.array_record import INDEX, is_shard
from mmjax.errors import ConfigError
from mmjax.files import DamagedFile, read_json, replacing
from mmjax.processes import shielded_from
from mmjax.schema.values import fits

flags.adopt_module_key_flags(command)  # for --help
flags.adopt_module_key_flags(parts)
SIZE = flags.DEFINE_integer("shard_mb", 256, "About this many MB a shard.", lower_bound=1)
ON_ERROR = flags.DEFINE_enum(
    "on_error", "skip", ["skip", "fail"], "What an example that cannot be read does."
)
_SAMPLES = 32  # records that are read to guess the size of all
_PLAN = "plan.json"


def convert(
    source: Source,
    out: Path,
    *,
    shard_bytes: int = 256 * 10**6,
    workers: int = 0,
    on_error: str = "skip",
    part: Part = parts.WHOLE,
    say: Callable[[str], None] = print,
) -> BadRows | None:
    """Writes a source as shards, or resumes where an earlier call stopped.

    Args:
      source: picklable, where there are workers.
      out: the folder; it may hold an unfinished conversion of the same source.
      shard_bytes: about the size of a shard.
      workers: processes that write, a shard each at a time; 0 writes here.
      on_error: 'fail' ends at the first example that cannot be read.
      part: of the shards, which this process writes; it needs to see what the others write.
      say: takes lines of progress.

    Returns:
      The examples that cannot be read, also in `bad_rows.jsonl`; None when shards of other parts
      are missing, and the process that writes the last of them is to end the conversion.

    Raises:
      ConfigError: when the folder holds something else, or a record holds what cannot be written.
      SourceError: for a bad example, with on_error='fail', and when all are.
    """
    out.mkdir(parents=True, exist_ok=True)
    plan = _plan(source, out, shard_bytes)
    stretches = stretches_of(plan)
    names = list(stretches)
    own = part.of(names)
    for left in out.glob("*.part"):
        if part.count == 1 or left.name.partition(".")[0] in own:
            left.unlink()
    missing = {name: stretches[name] for name in own if _finished(out, name) is None}
    if len(missing) < len(own):
        say(f"{out}: {len(own) - len(missing)} of {len(own)} shards are there already")
    for done in _write_all(source, out, missing, workers, on_error):
        say(f"{out}: {done['file']}, {done['records']:,} records, {done['bytes']:,} bytes")
    shards = [about for name in names if (about := _finished(out, name)) is not None]
    if len(shards) < len(names):
        return None
    index, bad = completed(source, shards, str(out))
    # Two parts may come to this point at the same time.
    report = BadRows(out / f"bad_rows.jsonl.{os.getpid()}.part")
    report.note(source.bad)
    report.note(bad)
    _replace(out / INDEX, index)
    report.close()
    report.rename(out / "bad_rows.jsonl")
    return report


def completed(
    source: Source, shards: Sequence[dict[str, Any]], out: str
) -> tuple[dict[str, Any], list[BadExample]]:
    """The content of `index.json`, and the examples that could not be read.

    Args:
      source: that was converted.
      shards: what was written down of each, in their order.
      out: the folder, for the message.

    Raises:
      SourceError: when no example can be read.
    """
    bad = [BadExample(*error) for shard in shards for error in shard["errors"]]
    if len(bad) == len(source):
        raise SourceError(
            f"{out}: none of the {len(source):,} examples can be read ({causes(bad)}): mend them "
            "and convert into an empty folder"
        )
    index = {
        "version": VERSION,
        "source": source.describe(),
        "modalities": list(source.modalities),
        "label_fields": list(source.label_fields),
        "may_lack": list(source.may_lack),
        "id_limit": int(source.id_limit),
        "examples": len(source),
        "bad": [[e.key, e.field, e.reason] for e in source.bad],
        "shards": [{k: v for k, v in shard.items() if k != "errors"} for shard in shards],
    }
    return index, bad


def planned(source: Source, shard_bytes: int) -> dict[str, Any]:
    """Which rows go to which shard, by the size of some of them."""
    count = len(source)
    places = sorted({count * i // _SAMPLES for i in range(_SAMPLES)})
    sample = [_entry(source, i)[0] for i in places]
    shards = max(1, min(count, round(count * sum(map(len, sample)) / len(sample) / shard_bytes)))
    edges = [count * i // shards for i in range(shards + 1)]
    return {
        "version": VERSION,
        "examples": count,
        "source": source.describe(),
        "sample": sha256(b"".join(sample)).hexdigest(),
        "shard_bytes": shard_bytes,
        "stretches": [list(pair) for pair in itertools.pairwise(edges)],
    }


def stretches_of(plan: Mapping[str, Any]) -> dict[str, list[int]]:
    """The first row and the row after the last of each shard, by its name."""
    found: list[list[int]] = plan["stretches"]
    return {f"records-{i:05}-of-{len(found):05}": rows for i, rows in enumerate(found)}


def check_plan(before: Any, plan: Mapping[str, Any], out: str) -> None:
    """Raises ConfigError where what was planned before for a folder is another plan."""
    if before != plan:
        raise ConfigError(
            f"{out} holds a conversion of other data, in shards of another size, or by another "
            "version of mmjax: choose another --out, or delete that folder"
        )


def _plan(source: Source, out: Path, shard_bytes: int) -> dict[str, Any]:
    """The plan of the rows; what was planned before holds, for the same source."""
    plan = planned(source, shard_bytes)
    file = out / _PLAN
    others = any(each.suffix != ".part" for each in out.iterdir())  # left by a killed call
    if file.exists():  # asked last: the process of another part may write it at this moment
        check_plan(read_json(file), plan, str(out))
    elif others:
        raise ConfigError(f"{out} is not empty and holds no conversion: choose another --out")
    else:
        _replace(file, plan)
    return plan


def _entry(source: Source, index: int) -> tuple[bytes, BadExample | None]:
    """One record, or the error that takes its place, as bytes; and the error.

    Raises:
      ConfigError: for values that cannot be written.
    """
    try:
        record = source[index]
    except BadExample as error:
        said = [error.key, error.field, error.reason]
        return pack({"id": source.id_of(index), "error": said}), error
    try:
        return pack({"id": record["id"], "record": record}), None
    except TypeError as error:
        raise ConfigError(f"{record['key']}: {error}") from error


def _finished(out: Path, name: str) -> dict[str, Any] | None:
    """What was written down of a shard; None if it is not whole."""
    file = out / f"{name}.json"
    with contextlib.suppress(DamagedFile, OSError):  # the shard is written again
        about = read_json(file) if file.is_file() else {}
        if is_shard(about) and fits(about.get("errors"), list[tuple[str, str, str]]):
            return about if (out / about["file"]).stat().st_size == about["bytes"] else None
    return None


def _write_all(
    source: Source, out: Path, stretches: dict[str, list[int]], workers: int, on_error: str
) -> Iterator[dict[str, Any]]:
    if workers < 2 or len(stretches) < 2:
        for name, (start, stop) in stretches.items():
            yield write(source, out, name, start, stop, on_error)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(stretches)), context, _begin, (source,))
    try:
        with shielded_from(signal.SIGINT, signal.SIGTERM):  # they end with this process
            jobs = [
                pool.submit(_write_here, out, name, start, stop, on_error)
                for name, (start, stop) in stretches.items()
            ]
        for job in as_completed(jobs):
            yield job.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"{out}: a process that writes shards ended by itself, perhaps for want of memory: "
            "give the same command again, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_source: Source | None = None  # of a worker process


def _begin(source: Source) -> None:
    global _source
    start_worker(0, 0)
    _source = source


def _write_here(out: Path, name: str, start: int, stop: int, on_error: str) -> dict[str, Any]:
    assert _source is not None
    return write(_source, out, name, start, stop, on_error)


def write(
    source: Source, out: Path, name: str, start: int, stop: int, on_error: str
) -> dict[str, Any]:
    """Writes one shard, whole or not at all, and what is to be known of it beside it."""
    from array_record.python import array_record_module

    # A process that outlived a killed one may write the same shard at the same time.
    target = out / f"{name}.array_record"
    errors: list[list[str]] = []
    with replacing(target, f".{os.getpid()}") as part:
        writer = array_record_module.ArrayRecordWriter(str(part), "group_size:1")
        with contextlib.closing(writer):
            for index in range(start, stop):
                content, error = _entry(source, index)
                if error is not None:
                    if on_error == "fail":
                        raise SourceError(
                            f"{error} Fix it, or set --on_error=skip to keep it as bad."
                        )
                    errors.append([error.key, error.field, error.reason])
                writer.write(content)
        about: dict[str, Any] = {
            "file": target.name,
            "records": stop - start,
            "bytes": part.stat().st_size,
            "sha256": digests.sha256(part),
            "errors": errors,
        }
    _replace(out / f"{name}.json", about)
    return about


def _replace(file: Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    with replacing(file, f".{os.getpid()}") as part:
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")


def main(path: str | None, overrides: list[str]) -> None:
    """Converts one source."""
    part, out, source = parts.part(), command.out(), command.named_source(path, overrides)
    report = convert(
        source,
        out,
        shard_bytes=SIZE.value * 10**6,
        workers=parts.WORKERS.value,
        on_error=ON_ERROR.value,
        part=part,
        say=cli.say,
    )
    if report is None:
        cli.say(
            f"{out}: part {part.number} of {part.count} is written; the last to end completes the "
            "data set, or any that is given again"
        )
        return
    cli.say(
        f"{out}: {len(source):,} examples; read them with {{'type': 'array_record', 'path': "
        f"{str(out)!r}}}"
    )
    if len(report):
        cli.say(report.summary())


if __name__ == "__main__":
    cli.run(main)

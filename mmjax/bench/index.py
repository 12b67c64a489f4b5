"""Tar shards by the thousand: the time and memory of a start, and of reading at random.

    python -m mmjax.bench index --shards 10000 --records 10000

A shard of generated headers, with holes where images of 20 kB would be, is indexed; the other
shards and their indexes are links to it, so that a set of terabytes costs some megabytes of disk.
A new process then opens all of them, for all samples and for a split, and reads records at random.
MB are what the process holds beyond what it held before; microseconds are of its CPU, as others may
use the machine. Files are in the memory of the system: a disk or a network adds its own time.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from mmjax.bench import timing
from mmjax.data.formats import tar_index
from mmjax.data.sources import WebDatasetSource

_SIZES = {"jpg": 20_000, "json": 300, "txt": 60}
_READS = 5000


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench index", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--shards", type=int, default=10_000, help="of the data set")
    parser.add_argument("--records", type=int, default=10_000, help="of a shard")
    parser.add_argument("--folder", help="of the shards, empty; by default a temporary one")
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--open", help=argparse.SUPPRESS)  # what the new process does
    options = parser.parse_args(arguments)
    if min(options.shards, options.records) < 1:
        parser.error("--shards and --records must be at least 1")
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    if options.open:
        path, split = options.open.rsplit(":", 1)
        return print(*_opened(path, split))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        rows = measure(folder, options.shards, options.records)
    about = {"cores": os.cpu_count(), "shards": options.shards, "records": options.records}
    print(", ".join(f"{key} {value:,}" for key, value in about.items()))
    print(timing.table(rows))
    if options.output:
        timing.save(options.output, about, rows)


def measure(folder: str, shards: int, records: int) -> list[dict[str, Any]]:
    """A row for making an index, and one for a start with each split."""
    first = Path(folder, "000000.tar")
    write_headers(first, records)
    begin, cpu = time.perf_counter(), time.process_time()
    index = Path(tar_index.make(str(first)).file)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    for number in range(1, shards):
        name = f"{number:06}.tar"
        os.link(first, first.with_name(name))
        os.link(index, index.with_name(f"{name}.index"))
    found: list[tuple[Any, ...]] = [("index one shard", seconds, cpu, "", 1e6 * cpu / records)]
    for split in ("all", "train"):
        command = [sys.executable, "-m", "mmjax.bench", "index", "--open", f"{folder}:{split}"]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        count, clock, busy, held, each = said.split()
        part = f"open {int(count):,} records, split={split}"
        found.append((part, float(clock), float(busy), round(float(held)), float(each)))
    names = ("part", "seconds", "CPU seconds", "MB", "CPU us a record")
    return [dict(zip(names, row, strict=True)) for row in found]


def write_headers(shard: Path, records: int) -> None:
    """A tar of samples whose contents are holes, an hour old, as its index has to be newer."""
    with open(shard, "wb") as file:
        for number in range(records):
            for extension, size in _SIZES.items():
                member = tarfile.TarInfo(f"{number:09}.{extension}")
                member.size = size
                file.write(member.tobuf())
                file.seek(-(-size // 512) * 512, os.SEEK_CUR)
        file.write(bytes(1024))
    an_hour_ago = time.time() - 3600
    os.utime(shard, (an_hour_ago, an_hour_ago))


def _opened(path: str, split: Any) -> tuple[float, ...]:
    """Records; seconds and CPU seconds to open them; MB held; CPU microseconds to read one."""
    before, begin, cpu = _resident(), time.perf_counter(), time.process_time()
    # No captions: the contents are holes, and zeros are no JSON.
    source = WebDatasetSource(path=path, split=split, members={"image": ("jpg",)})
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    held, places = _resident() - before, random.Random(0).choices(range(len(source)), k=_READS)
    begin = time.process_time()
    for place in places:
        source[place]
    return len(source), seconds, cpu, held / 1e6, 1e6 * (time.process_time() - begin) / _READS


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

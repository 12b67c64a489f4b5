"""Makes the indexes of tar shards, which a first run would make otherwise.

    python -m mmjax.data.index --data='shards/*.tar' --workers=8

An index is a small file for each shard (docs/data_at_scale.md). Those that are there are left as
they are. On many machines that see the same folder, each takes its part: `--shard=0/4` to
`--shard=3/4`.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from absl import flags

from mmjax import cli
from mmjax.commands import data_source as command
from mmjax.commands import parts
from mmjax.data.batches import start_worker
from mmjax.data.formats import tar_index
from mmjax.data.sources.webdataset import find_shards
from mmjax.errors import ConfigError
from mmjax.processes import shielded_from

flags.declare_key_flag("data")
flags.adopt_module_key_flags(parts)  # for --help
_AT_A_TIME = 16  # shards that a process is given at once


def index(shards: Sequence[str], workers: int = 0) -> tuple[int, int]:
    """Makes the indexes that are missing.

    Args:
      shards: tar files.
      workers: processes that read the headers; 0 reads them here.

    Returns:
      The number of samples, and of what cannot be used in any data set: shards that are cut off,
      samples with two members of one extension.

    Raises:
      SourceError: when a shard cannot be indexed.
    """
    if workers < 2:
        return _index(shards)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, start_worker, (0, 0))
    try:
        with shielded_from(signal.SIGINT, signal.SIGTERM):  # they end with this process
            jobs = [
                pool.submit(_index, shards[start : start + _AT_A_TIME])
                for start in range(0, len(shards), _AT_A_TIME)
            ]
        found = [job.result() for job in jobs]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return sum(samples for samples, _ in found), sum(bad for _, bad in found)


def _index(shards: Sequence[str]) -> tuple[int, int]:
    found = tar_index.open_all(shards)
    return sum(each.count for each in found), sum(len(each.bad) for each in found)


def main(path: str | None, overrides: list[str]) -> None:
    """Indexes the shards of `--data`."""
    if path is not None or overrides:
        raise ConfigError("say which shards: --data=FOLDER or --data='shards/*.tar'")
    shards = parts.part().of(find_shards(cli.needed(command.DATA)))
    samples, bad = index(shards, parts.WORKERS.value)
    left_out = f", {bad:,} bad samples or shards" if bad else ""
    cli.say(f"{len(shards):,} shards indexed: {samples:,} samples{left_out}")


if __name__ == "__main__":
    cli.run(main)

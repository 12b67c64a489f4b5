"""Which part of the work this process does, where several processes do one command's."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from absl import flags

from mmjax.data.records import Source
from mmjax.data.some_rows import Stretch, neighbours
from mmjax.errors import ConfigError

T = TypeVar("T")

SHARD = flags.DEFINE_string(
    "shard",
    None,
    "i/n: the part i, from 0, of n, for one of n processes on any machines; by default what "
    "launch/local.sh says.",
)
WORKERS = flags.DEFINE_integer("workers", 0, "Processes that work; 0 is this one.", lower_bound=0)


@dataclasses.dataclass(frozen=True)
class Part:
    """The `number`-th of `count` parts of equal size.

    Attributes:
      number: from 0.
      count: 1 is all of it.
    """

    number: int
    count: int

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """This process' share of some items."""
        return items[self.number :: self.count]

    def rows(self, count: int) -> range:
        """This process' rows of `count`, which are neighbours."""
        return neighbours(count, self.number, self.count)

    def stretch(self, source: Source) -> Source:
        """This process' rows of a source, which are neighbours.

        Raises:
          ConfigError: when there are none.
        """
        if self.count == 1:
            return source
        rows = self.rows(len(source))
        if not rows:
            raise ConfigError(
                f"--shard={self.number}/{self.count}: the data have only {len(source):,} rows; "
                "take fewer processes"
            )
        return Stretch(source, rows.start, rows.stop)

    def file(self, file: Path) -> Path:
        """Where this process writes what one process would write to `file`."""
        if self.count == 1:
            return file
        name = f"{file.stem}-{self.number:05}-of-{self.count:05}{file.suffix}"
        return file.with_name(name)


WHOLE = Part(0, 1)


def part() -> Part:
    """The part that `--shard` names; otherwise the one of the launcher's environment, or all.

    Raises:
      ConfigError: when it is none.
    """
    given, where = SHARD.value, "--shard"
    if given is None:
        index, count = (os.environ.get(f"JAX_{name}") for name in ("PROCESS_ID", "NUM_PROCESSES"))
        if index is None or count is None:
            return WHOLE
        given, where = f"{index}/{count}", "JAX_PROCESS_ID/JAX_NUM_PROCESSES"
    match = re.fullmatch(r"(\d+)/(\d+)", given)
    found = Part(int(match[1]), int(match[2])) if match else Part(0, 0)
    if found.number >= found.count:
        raise ConfigError(f"{where}={given} is no part: 0/4 is the first of four, 3/4 the last")
    return found

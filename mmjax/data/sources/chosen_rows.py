"""Some of the rows of many shards, at one bit a row."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_BLOCK = 4096  # rows, which are looked at to find one of them


class ChosenRows:
    """The rows of shards that masks choose, numbered through; picklable.

    A shard of which all rows are chosen costs a number, and any other a bit for each of its rows.

    Args:
      shards: of each, the number of its rows, and which of them are chosen: bool[rows], or True or
        False for all or none.
    """

    def __init__(self, shards: Iterable[tuple[int, np.ndarray | bool]]):
        counts: list[int] = []
        self._bits: dict[int, np.ndarray] = {}  # shard -> a bit for each row
        self._blocks: dict[int, np.ndarray] = {}  # shard -> rows chosen before each block
        for shard, (count, mask) in enumerate(shards):
            chosen = int(np.count_nonzero(mask)) if isinstance(mask, np.ndarray) else count * mask
            counts.append(chosen)
            if 0 < chosen < count:
                bits = np.packbits(mask)
                starts = np.arange(0, len(bits), _BLOCK // 8)
                inside = np.add.reduceat(np.bitwise_count(bits), starts, dtype=np.int64)
                self._bits[shard], self._blocks[shard] = bits, np.cumsum(inside) - inside
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def count(self, shard: int) -> int:
        """Of a shard, how many rows are chosen."""
        return int(self._starts[shard + 1] - self._starts[shard])

    def place(self, number: int) -> tuple[int, int]:
        """(shard, row in it) of the chosen row of this number."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        shard = int(np.searchsorted(self._starts, number, "right")) - 1
        row = number - int(self._starts[shard])
        if shard in self._bits:
            blocks = self._blocks[shard]
            block = int(np.searchsorted(blocks, row, "right")) - 1
            inside = np.flatnonzero(self._block(shard, block))
            row = block * _BLOCK + int(inside[row - int(blocks[block])])
        return shard, row

    def number(self, shard: int, row: int) -> int:
        """Of a chosen row, the number; of any other, that of the next one."""
        if shard in self._bits:
            block = row // _BLOCK
            before = self._block(shard, block)[: row % _BLOCK]
            row = int(self._blocks[shard][block]) + int(np.count_nonzero(before))
        return int(self._starts[shard]) + row

    def _block(self, shard: int, block: int) -> np.ndarray:
        start = block * _BLOCK // 8
        return np.unpackbits(self._bits[shard][start : start + _BLOCK // 8])

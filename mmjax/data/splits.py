"""Splits by a hash of each example's own name, so that no list of a split is needed.

An example stays in its split when others come or go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Literal, TypeVar

from mmjax.data.records import SourceError

Split = Literal["train", "val", "all"]

E = TypeVar("E")


def split_number(identity: str) -> int:
    """The hash of a name that decides its split, in 0 .. 2^64 - 1."""
    digest = blake2b(identity.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def split_limit(name: str, split: Split, val_fraction: float) -> int:
    """Examples whose `split_number` is below it are those of 'val'.

    Raises:
      SourceError: naming the source, for another split or fraction than there can be.
    """
    if split not in ("train", "val", "all"):
        raise SourceError(f"{name}: split is {split!r}; it can be 'train', 'val' or 'all'")
    if not 0 <= val_fraction < 1:
        raise SourceError(f"{name}: val_fraction is {val_fraction}; it must be in [0, 1)")
    return math.ceil(val_fraction * 2**64)


def check_split(name: str, chosen: int, of: int, split: Split, val_fraction: float) -> None:
    """Raises SourceError when no example of the source is in the split."""
    if not chosen:
        raise SourceError(
            f"{name}: the split {split!r} is empty: {of} examples with "
            f"val_fraction={val_fraction}; use split='all' or another val_fraction"
        )


def choose(
    name: str, entries: Sequence[E], identity: Callable[[E], str], split: Split, val_fraction: float
) -> list[E]:
    """The entries of a split, by each entry's own name.

    Raises:
      SourceError: when there is none, and for a split or fraction that cannot be.
    """
    limit = split_limit(name, split, val_fraction)
    if split == "all":
        return list(entries)
    chosen = [e for e in entries if (split_number(identity(e)) < limit) == (split == "val")]
    check_split(name, len(chosen), len(entries), split, val_fraction)
    return chosen

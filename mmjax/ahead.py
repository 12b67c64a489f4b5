"""Work that is begun before what came of the work before it is used."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(begun: Iterable[Callable[[], T]]) -> Iterator[T]:
    """What each of several pieces of work gives, in order; the next is begun before one is given.

    So that one part is read while another is computed, and no more than two are in memory.

    Args:
      begun: an iterator that begins a piece of work at each step, and gives what waits for it.
    """
    waiting: Callable[[], T] | None = None
    for following in begun:
        if waiting is not None:
            yield waiting()
        waiting = following
    if waiting is not None:
        yield waiting()

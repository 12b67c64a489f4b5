"""Annotations of options beyond their type: bounds, and references to other parts.

    learning_rate: Annotated[float, Bounds(0)]
    pairs: tuple[tuple[ViewRef, ViewRef], ...]

A type checker sees `float` and `str`; the walk over a recipe (`mmjax.schema.sections`) reads the
rest, so that a word says itself which numbers make sense and what it reads.
"""

import dataclasses
import math
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from mmjax.schema.values import bare


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds of a number: from `low`, and below `high`."""

    low: float
    high: float = math.inf

    def said_of(self, value: Any) -> str | None:
        """What is wrong with a number, as the end of a sentence; None where nothing is."""
        if value is None or self.low <= value < self.high:
            return None
        below = "" if self.high == math.inf else f" and below {self.high}"
        return f"should be at least {self.low}{below}, but is {value!r}"


@dataclasses.dataclass(frozen=True)
class Refers:
    """A reference: the value is the name of another part of the recipe.

    Attributes:
      to: `view`, a key of `data.views`; or `label`, a field of records that is one.
    """

    to: Literal["view", "label"]


ViewRef = Annotated[str, Refers("view")]
LabelRef = Annotated[str, Refers("label")]


def names(value: Any, annotation: Any, to: str, where: str) -> Iterator[tuple[str, str]]:
    """(path of the key, name) of every part of a kind that a value names.

    Args:
      value: plain, and of the annotated type.
      annotation: of it.
      to: which kind, as `Refers.to`.
      where: path of the key.
    """
    if value is None:
        return
    kind, extras = bare(annotation)
    if isinstance(value, str):
        refers = any(isinstance(each, Refers) and each.to == to for each in extras)
        options = [arg for arg in typing.get_args(kind) if bare(arg)[1]]  # of a union
        if refers:
            yield where, value
        for option in options:
            yield from names(value, option, to, where)
        return
    arguments = typing.get_args(kind)
    if isinstance(value, Mapping) and len(arguments) == 2:
        for key, each in value.items():
            yield from names(key, arguments[0], to, where)
            yield from names(each, arguments[1], to, f"{where}.{key}")
    elif isinstance(value, tuple):
        for i, each in enumerate(value):
            own = arguments[0] if len(arguments) == 2 and arguments[1] is ... else None
            if own is None:
                own = arguments[i] if i < len(arguments) else Any
            yield from names(each, own, to, where)

"""Bounds of numbers, as annotations of options.

    learning_rate: NonNegative
    hidden: tuple[Count, ...]
    b1: Annotated[float, Bounds(0, lt=1)]

A type checker sees `float` and `int`; the walk over a recipe (`mmjax.schema.sections`) reads the
rest, so that a word says itself which numbers make sense. A number without bounds of its own is one
that float32 or int32 holds, for in these everything is computed.
"""

import dataclasses
import math
from typing import Annotated, Any

import numpy as np

_I32 = np.iinfo(np.int32)
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds of a number: `ge <= x`, `x <= le`, `gt < x` and `x < lt`, or None where there is none.

    A float is compared as the float32 that it becomes, in which 1e-60 is 0, and 0.999999999 is 1.
    """

    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None

    def said_of(self, number: float, whole: bool) -> str | None:
        """What is wrong with a number, as a part of a sentence; None where nothing is.

        Args:
          number: not a bool.
          whole: whether an int is asked for, and not a float.
        """
        become = number if whole else _rounded(number)
        if not whole and not math.isfinite(become):
            return f"should be {f'{self} and ' if str(self) else ''}finite in float32"
        if not self._hold(become):
            note = f" (float32 makes it {become:g})" if self._hold(number) else ""
            return f"should be {self}{note}"
        if whole and not self._of_ints()._hold(number):
            return f"should be {self._of_ints()}"
        if not whole and isinstance(number, int) and not Bounds()._of_ints()._hold(number):
            return f"should be written as a float, {become:g}"  # JAX takes it for an int32
        return None

    def _of_ints(self) -> "Bounds":
        """These bounds, and those of int32 at the ends that have none."""
        ge = _I32.min if self.ge is None and self.gt is None else self.ge
        le = _I32.max if self.le is None and self.lt is None else self.le
        return dataclasses.replace(self, ge=ge, le=le)

    def _hold(self, number: float) -> bool:
        return (
            (self.ge is None or number >= self.ge)
            and (self.le is None or number <= self.le)
            and (self.gt is None or number > self.gt)
            and (self.lt is None or number < self.lt)
        )

    def __str__(self) -> str:
        """In words: `at least 0 and below 1`."""
        said = (("at least", self.ge), ("above", self.gt), ("at most", self.le), ("below", self.lt))
        return " and ".join(
            f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
            for word, bound in said
            if bound is not None
        )


@dataclasses.dataclass(frozen=True)
class Length:
    """The least number of elements of a tuple or a dict."""

    least: int = 1

    def __str__(self) -> str:
        return "not empty" if self.least == 1 else f"{self.least} or more elements"


def _rounded(number: Any) -> float:
    """A number as float32 holds it, where the smallest ones are 0, as on most devices."""
    try:
        with np.errstate(over="ignore", under="ignore"):
            become = float(np.float32(number))
    except OverflowError:  # of an int
        return math.inf if number > 0 else -math.inf
    return 0.0 if abs(become) < _SMALLEST else become


Positive = Annotated[float, Bounds(gt=0)]
NonNegative = Annotated[float, Bounds(ge=0)]
# Temperatures, offsets, and what else is divided by or squared: float32 holds that, too.
Factor = Annotated[float, Bounds(ge=1e-15, le=1e15)]
Moderate = Annotated[float, Bounds(ge=-1e15, le=1e15)]
Fraction = Annotated[float, Bounds(ge=0, le=1)]
Portion = Annotated[float, Bounds(gt=0, le=1)]
BelowOne = Annotated[float, Bounds(ge=0, lt=1)]  # rates of what is dropped, for not all can be
PositiveInt = Annotated[int, Bounds(ge=1)]
NonNegativeInt = Annotated[int, Bounds(ge=0)]
Seed = Annotated[int, Bounds(ge=0, lt=2**32 - 1)]
# Of what an axis of an array has one for each: as many as float32 counts one by one.
Count = Annotated[int, Bounds(ge=1, le=2**24)]
CountOrZero = Annotated[int, Bounds(ge=0, le=2**24)]
# Of what is done, or built, one after the other.
Repeats = Annotated[int, Bounds(ge=1, le=1000)]
RepeatsOrZero = Annotated[int, Bounds(ge=0, le=1000)]

"""Memory of a step, from the compiler, and the largest batch that fits."""

import dataclasses
import itertools
import math
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax

from mmjax.errors import UserError
from mmjax.preflight.topology import GIB


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of one device while a step runs, from `compiled.memory_analysis()`.

    Attributes:
      arguments: the state and the batch.
      outputs: the next state and the metrics; most of it takes the place of the arguments.
      aliased: the part of the outputs that does.
      temporaries: activations, gradients and buffers.
      code: the program itself.
    """

    arguments: int
    outputs: int
    aliased: int
    temporaries: int
    code: int

    @classmethod
    def of(cls, compiled: jax.stages.Compiled) -> "Memory":
        stats: Any = compiled.memory_analysis()
        return cls(
            stats.argument_size_in_bytes,
            stats.output_size_in_bytes,
            stats.alias_size_in_bytes,
            stats.temp_size_in_bytes,
            stats.generated_code_size_in_bytes,
        )

    @property
    def total(self) -> int:
        return self.arguments + self.outputs - self.aliased + self.temporaries + self.code


@dataclasses.dataclass(frozen=True)
class DoesNotFit:
    """The compiler's answer for a program that needs more memory than the device has.

    Attributes:
      needed, available: bytes, where the compiler says them.
      message: the first lines of what it said.
    """

    needed: int | None
    available: int | None
    message: str

    def __str__(self) -> str:
        if self.needed is None or self.available is None:
            return f"does not fit the device's memory ({self.message})"
        return f"needs {self.needed / GIB:.1f} of {self.available / GIB:.1f} GiB"


class CompilerFailed(UserError, RuntimeError):
    """The compiler refused a program for another reason than memory."""

    exit_code = 1


def compile_or_size(lowered: jax.stages.Lowered) -> jax.stages.Compiled | DoesNotFit:
    """Compiles; where memory does not suffice, says how much would be needed.

    Raises:
      CompilerFailed: where it does not compile for another reason.
    """
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        text = str(error)
        if "RESOURCE_EXHAUSTED" not in text and "Ran out of memory" not in text:
            raise failed(error) from error
        return out_of_memory(text)


def program(compiled: jax.stages.Compiled) -> str:
    """The compiled program as text.

    Raises:
      CompilerFailed: where the compiler's own text cannot be read back.
    """
    try:
        return compiled.as_text() or ""
    except jax.errors.JaxRuntimeError as error:
        raise failed(error) from error


def failed(error: Exception) -> CompilerFailed:
    """The sentence about a failure of the compiler."""
    said = " ".join(str(error).split())[:300]
    return CompilerFailed(
        f"the compiler itself failed (jax {jax.__version__}, jaxlib {version('jaxlib')}): {said}"
    )


# The TPU compiler's two ways to say it: of the whole program, and of its temporaries where these
# alone are too many (jax 0.10.2 with libtpu 0.0.42 for v5e).
_TOO_LARGE = (
    r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm",
    r"temporaries \(([\d.]+)([KMGT]?)\) exceeds available HBM \(([\d.]+)([KMGT]?)\)",
)


def out_of_memory(text: str) -> DoesNotFit:
    """Reads how much is needed, and how much there is, from the compiler's message."""
    found = next(filter(None, (re.search(pattern, text) for pattern in _TOO_LARGE)), None)
    short = " ".join(text.split())[:200]
    if not found:
        return DoesNotFit(None, None, short)
    needed, available = (
        int(float(found.group(i)) * 1024 ** " KMGT".index(found.group(i + 1) or " "))
        for i in (1, 3)
    )
    return DoesNotFit(needed, available, short)


def largest_batch(
    memory: Callable[[int], float], limit: float, unit: int, start: int, tries: int = 6
) -> tuple[int, float] | None:
    """The largest batch whose step needs at most `limit` bytes, to an eighth.

    Memory is nearly a straight line in the batch, so each try goes where the line through the two
    nearest known points meets the limit; what is returned has been compiled.

    Args:
      memory: batch per device -> bytes; math.inf where it cannot be told.
      limit: bytes.
      unit: the batch is a multiple of it.
      start: where to begin, a multiple of `unit`.
      tries: how often `memory` may be asked.

    Returns:
      (batch per device, its bytes), or None when not even one unit fits.
    """
    known: dict[int, float] = {}
    batch = max(start // unit, 1) * unit
    for _ in range(tries):
        if batch in known:
            break
        known[batch] = memory(batch)
        fits = [b for b, size in known.items() if size <= limit]
        fails = [b for b, size in known.items() if size > limit]
        low, high = max(fits, default=0), min(fails, default=None)
        if low and high and high - low <= max(unit, low // 8):
            break
        if high == unit:
            return None
        batch = _next(known, limit, unit, low, high)
    fits = [b for b, size in known.items() if size <= limit]
    return (max(fits), known[max(fits)]) if fits else None


def _next(known: dict[int, float], limit: float, unit: int, low: int, high: int | None) -> int:
    """Where to look next between `low`, which fits, and `high`, which does not."""
    if low and high and known[high] == math.inf:  # there is no line to follow
        guess = (low + high) // 2
    else:
        guess = _where_the_line_meets(known, limit, low, high)
    if high is None:
        guess = min(max(guess, low + unit), 16 * low)
    else:
        guess = min(max(guess, low + unit), high - unit)
    return max(guess // unit, 1) * unit


def _where_the_line_meets(known: dict[int, float], limit: float, low: int, high: int | None) -> int:
    sizes = sorted((b, size) for b, size in known.items() if size < math.inf)
    if len(sizes) >= 2:
        (a, size_a), (b, size_b) = min(
            itertools.pairwise(sizes), key=lambda pair: abs(pair[0][1] - limit)
        )
        if size_b > size_a:
            return int(a + (limit - size_a) * (b - a) / (size_b - size_a))
    elif sizes:
        return 2 * low if low else int(sizes[0][0] * limit / sizes[0][1])
    return 2 * low if high is None else (low + high) // 2

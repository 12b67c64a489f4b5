"""Fair timing on a busy machine: alternatives take turns; medians and quartiles."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax


def interleaved(
    functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, dict[str, float]]:
    """Times functions in turns, so that what else the machine does falls on all of them.

    Args:
      functions: name -> function without arguments; its result is waited for. Each is called once
        before the clock starts.
      repeats: number of rounds.

    Returns:
      name -> {'median', 'low', 'high', 'cpu'}: seconds on the clock, their median and quartiles,
      and the median of the processor's seconds, which other programs hardly change.
    """
    for function in functions.values():
        jax.block_until_ready(function())
    clock: dict[str, list[float]] = {name: [] for name in functions}
    cpu: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            begin, cpu_begin = time.perf_counter(), time.process_time()
            jax.block_until_ready(function())
            clock[name].append(time.perf_counter() - begin)
            cpu[name].append(time.process_time() - cpu_begin)
    return {
        name: {**spread(clock[name]), "cpu": statistics.median(cpu[name])} for name in functions
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    median = statistics.median(values)
    if len(values) < 2:
        return {"median": median, "low": median, "high": median}
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys as aligned text, numbers to three digits."""

    def shown(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    cells = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return "\n".join(lines)


def save(path: str, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes conditions and rows as JSON."""
    Path(path).write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")

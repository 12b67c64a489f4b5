"""How many rows may be bad before a run ends: of all that were read, and of the latest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from mmjax.data.records import BadExample, Source, SourceError

LEAST = 500  # rows, from which on the share of bad ones is judged
WINDOW = 10_000  # rows, in each of which it is judged again


class TooManyBadRows(SourceError):
    """More rows cannot be used than `data.max_bad_fraction` allows; the message says why."""


class Limit:
    """Counts the rows of global batches, in all and in a window, until too many are bad.

    A few rows say little of a set, so that a share is judged when it is exceeded whatever the rest
    of the rows will be: of the first `LEAST` rows, or of a pass over a smaller set, then of all so
    far; and of windows of `WINDOW` rows, one after the other, for what breaks late. A batch of bad
    rows alone is too many of them at once.

    Args:
      fraction: of the rows, that may be bad.
      examples: of the set.
      state: of the run that this one resumes.

    Attributes:
      state: rows and bad rows, in all and in the window.
    """

    def __init__(self, fraction: float, examples: int, state: Mapping[str, int] | None = None):
        self._fraction, self._least = fraction, min(LEAST, examples)
        self.state = {"rows": 0, "bad": 0, "window_rows": 0, "window_bad": 0, **(state or {})}

    def add(self, rows: int, bad: int) -> str | None:
        """Counts a batch; the result is what is wrong now, in a phrase, or None."""
        now = self.state
        if now["window_rows"] >= WINDOW:
            now |= {"window_rows": 0, "window_bad": 0}
        for name, count in (("rows", rows), ("bad", bad)):
            now[name] += count
            now[f"window_{name}"] += count
        if bad >= rows:
            return f"none of the {rows:,} rows of a batch can be used"
        more = f", more than data.max_bad_fraction={self._fraction} allows"
        if now["bad"] > self._fraction * max(now["rows"], self._least):
            return f"{now['bad']:,} of the {now['rows']:,} rows so far cannot be used{more}"
        if now["window_bad"] > self._fraction * max(now["window_rows"], WINDOW):
            said = f"{now['window_bad']:,} of the last {now['window_rows']:,} rows"
            return f"{said} cannot be used{more}"
        return None


def check_listed(where: str, source: Source, fraction: float) -> None:
    """Checks that a source did not leave out too many of its rows from the start.

    Args:
      where: path of the source in the recipe.
      source: opened.
      fraction: of the rows, that may be bad.

    Raises:
      TooManyBadRows: with the reasons.
    """
    if len(source.bad) > fraction * source.listed:
        raise TooManyBadRows(
            f"{where}: {len(source.bad):,} of {source.listed:,} rows cannot be used, more than "
            f"data.max_bad_fraction={fraction} allows ({causes(source.bad)}): mend them, or set "
            "data.max_bad_fraction higher to do without them"
        )


def rows_of(errors: Iterable[BadExample]) -> int:
    """Of how many rows of a batch these are all the errors: a row may have one for each field.

    In a small source of a mixture an example may stand twice in a batch, with the same errors.
    """
    most: dict[str, int] = {}
    for (key, _), count in Counter((error.key, error.field) for error in errors).items():
        most[key] = max(most.get(key, 0), count)
    return sum(most.values())


def causes(errors: Iterable[BadExample], reasons: int = 4, names: int = 3) -> str:
    """The errors of examples by reason, with their number, and the first examples by name.

    What differs from row to row in a reason, numbers and paths, is left out of it.
    """
    first: list[str] = []
    counts: Counter[str] = Counter()
    whole: dict[str, str] = {}  # a reason as it is, while it is the same in all rows
    for error in errors:
        if error.key not in first and len(first) < names:
            first.append(error.key)
        said = re.sub(r"\S*[\d/\\]\S*", "…", error.reason)
        said = f"{error.field}: {said:.120}"
        counts[said] += 1
        own = f"{error.field}: {error.reason:.120}"
        if whole.setdefault(said, own) != own:
            whole[said] = said
    common = counts.most_common(reasons)
    found = [f"{count:,} x {whole[said]}" for said, count in common]
    if rest := counts.total() - sum(count for _, count in common):
        found.append(f"{rest:,} x other reasons")
    return f"{'; '.join(found)}; the first are {', '.join(first)}"

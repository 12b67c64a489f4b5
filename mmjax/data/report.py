"""The report of bad examples: counted, named, never replaced."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmjax import files
from mmjax.data.records import BadExample
from mmjax.text import one_line

logger = logging.getLogger("mmjax")


class BadRows:
    """Counts bad examples and lists each once in a file of JSON lines.

    A line is `{"key": ..., "field": ..., "reason": ..., "count": ...}`. It is written when its
    example is first met, so that a killed run leaves the list behind; `close` brings the counts up
    to date. Lines keep their order, so the counts at any time say which lines there were.

    Args:
      path: the file, by custom `bad_rows.jsonl` in the folder of the run; None only counts.
      state: what `state` gave at the checkpoint that a run resumes from. Lines beyond it are
        removed: those examples will be met again. None goes on with all lines as they are.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        state: Mapping[str, Any] | Sequence[int] | None = None,
    ):
        self.path = Path(path) if path is not None else None
        self.counts: dict[tuple[str, str, str], int] = {}
        self.trouble: str | None = None  # why the file could not be written
        self._lock = threading.Lock()
        self._digest = hashlib.sha256()  # of the lines without their counts
        if self.path is not None:
            self._read(self.path, state)
            # Without the half line of a run that was killed while it wrote, and other damage.
            self.close()

    def _read(self, path: Path, state: Mapping[str, Any] | Sequence[int] | None) -> None:
        lines = [row for _, row in files.json_lines(path)] if path.is_file() else []
        sha256 = state["sha256"] if isinstance(state, Mapping) else None  # not of earlier versions
        counts = state["counts"] if isinstance(state, Mapping) else state
        if counts is not None:
            lines = lines[: len(counts)]
        for i, line in enumerate(lines):
            if line is not None and _is_row(line):
                row = line["key"], line["field"], line["reason"]
                self.counts[row] = line["count"] if counts is None else counts[i]
                self._digest.update(_name(row))
        if sha256 is not None and sha256 != self._digest.hexdigest():
            logger.warning(
                f"{path} is not as the run wrote it: of the {len(counts or ()):,} rows that the "
                "checkpoint knows some were changed, damaged or removed"
            )

    def state(self) -> dict[str, Any] | None:
        """The counts in the order of the lines, and the lines' digest; None after trouble."""
        with self._lock:
            if self.trouble:
                return None
            return {"counts": list(self.counts.values()), "sha256": self._digest.hexdigest()}

    def add(self, *errors: BadExample) -> None:
        """Counts one more meeting with each of these bad examples."""
        with self._lock:
            for error in errors:
                row = (error.key, error.field, error.reason)
                self.counts[row] = self.counts.get(row, 0) + 1
                if self.counts[row] == 1:
                    self._write([row], "a")

    def note(self, errors: Iterable[BadExample]) -> None:
        """Takes errors that are known once and for all; a resumed run counts them no second time.

        One write for all of them: a table may have a million bad rows.
        """
        with self._lock:
            rows = [(error.key, error.field, error.reason) for error in errors]
            new = [row for row in dict.fromkeys(rows) if row not in self.counts]
            self.counts.update(dict.fromkeys(new, 1))
            self._write(new, "a")

    def hand_over(self) -> str:
        """The rows as JSON text for the report of another process; here they are forgotten."""
        with self._lock:
            rows, self.counts = self.counts, {}
        return json.dumps([[*row, count] for row, count in rows.items()])

    def take_over(self, text: str) -> None:
        """Adds what another process handed over."""
        with self._lock:
            new = []
            for *row, count in json.loads(text):
                if tuple(row) not in self.counts:
                    new.append(tuple(row))
                self.counts[tuple(row)] = self.counts.get(tuple(row), 0) + count
            self._write(new, "a")

    def __len__(self) -> int:
        """Number of different bad examples."""
        return len(self.counts)

    def summary(self, most: int = 5) -> str:
        """Some lines for the log: how many, by what reason, and the first of them by name."""
        if not self.counts:
            return "No bad examples."
        met = sum(self.counts.values())
        lines = [f"{len(self.counts):,} bad examples, skipped {met:,} times:"]
        for row, count in list(self.counts.items())[:most]:
            said = one_line(": ".join(row))
            lines.append(f"  {said}" + (f" ({count} times)" if count > 1 else ""))
        if len(self.counts) > most:
            where = f"; all are in {self.path}" if self.path and not self.trouble else ""
            lines.append(f"  and {len(self.counts) - most:,} more{where}")
        if self.trouble:
            lines.append(f"  {self.path} could not be written: {self.trouble}")
        return "\n".join(lines)

    def sync(self) -> None:
        """Waits until the lines are on the disk."""
        try:
            if self.path is not None and self.path.is_file():
                with open(self.path, "rb") as file:
                    os.fsync(file.fileno())
        except OSError as error:
            self.trouble = files.reason(error)

    def rename(self, path: Path) -> None:
        """Moves the file, if there is one, to where it takes the place of another."""
        if self.path is not None and self.path.is_file():
            os.replace(self.path, path)
            self.path = path

    def close(self) -> None:
        """Rewrites the file with the counts as they are."""
        with self._lock:
            self._write(list(self.counts), "w")

    def _write(self, rows: list[tuple[str, str, str]], mode: Literal["a", "w"]) -> None:
        if mode == "a":
            for row in rows:
                self._digest.update(_name(row))
        if self.path is None or not (rows or self.path.is_file()):
            return
        lines = [
            json.dumps({**dict(zip(_NAMES, row, strict=True)), "count": self.counts[row]}) + "\n"
            for row in rows
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if mode == "w" and rows:
                files.write_atomically(self.path, "".join(lines))
            elif mode == "w":
                self.path.unlink()
            else:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.writelines(lines)
        except OSError as error:  # a full disk: the run matters more than the list of bad rows
            self.trouble = files.reason(error)


_NAMES = ("key", "field", "reason")


def _name(row: tuple[str, str, str]) -> bytes:
    return json.dumps(row).encode()


def _is_row(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(n), str) for n in _NAMES) and type(row.get("count")) is int

"""Reads the files of a run for the page, as far as they exist.

A file that is missing or damaged costs its part of the page and no more, and the page says so.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmjax import digests
from mmjax.files import DamagedFile, json_lines, read_json, reason
from mmjax.report import embeddings, gather, looks, results

LOG_CHARACTERS = 60_000


class RunFiles(NamedTuple):
    """The content of a run's folder.

    Attributes:
      folder: where it is.
      config: of the run; None if it is not known.
      summary: name -> value, the final numbers.
      history: name -> (steps i64[n], values f64[n]), numbers over the steps.
      bad_rows: examples that could not be read, with `key`, `field`, `reason` and `count`.
      log: what the terminal showed; the middle of a very long one is left out.
      shown: see `gather.read`; None if there is none.
      looks: see `looks.read`.
      notes: one sentence for each part that is missing or damaged.
    """

    folder: Path
    config: dict[str, Any] | None
    summary: dict[str, float]
    history: dict[str, tuple[np.ndarray, np.ndarray]]
    bad_rows: list[dict[str, Any]]
    log: str
    shown: dict[str, Any] | None
    looks: list[dict[str, Any]]
    notes: tuple[str, ...]


def read(folder: str | Path, summary: Mapping[str, Any] | None = None) -> RunFiles:
    """Reads a run's folder.

    Args:
      folder: of the run.
      summary: its final numbers; None reads `summary.json`, or else takes the last ones that were
        written to `metrics.jsonl`.

    Raises:
      FileNotFoundError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no run in {folder}: the folder does not exist")
    notes: list[str] = []
    changed = _changed(folder, notes)
    config = None if "config.json" in changed else _json(folder / "config.json", notes)
    history = _history(folder / "metrics.jsonl", notes)
    if summary is None:
        known = "summary.json" not in changed
        summary = _json(folder / "summary.json", notes) if known else None
        if summary is None:
            summary = {n: v[-1] for n, (_, v) in history.items() if not n.startswith("train/")}
            if history:
                summary["step"] = max(int(steps[-1]) for steps, _ in history.values())
            notes.append(
                "The run has not finished, or its summary is lost: the numbers are the last ones "
                "that it wrote down on the way."
            )
    try:
        shown = gather.read(folder)
        if shown is None:
            notes.append(
                f"There is no {gather.FILE} in the folder, so the page has no heat map, no image "
                "of the embeddings and no gallery."
            )
        else:
            embeddings.drawn(shown)
    except (DamagedFile, LookupError, TypeError, ValueError) as error:
        shown = None
        notes.append(f"{error}.")
    try:
        seen = looks.read(folder)
    except DamagedFile as error:
        seen = []
        notes.append(f"{error}.")
    return RunFiles(
        folder=folder,
        config=config,
        summary=results.numbers(summary),
        history=history,
        bad_rows=_bad_rows(folder / "bad_rows.jsonl", notes),
        log=_log(folder / "log.txt", notes),
        shown=shown,
        looks=seen,
        notes=tuple(notes),
    )


def _changed(folder: Path, notes: list[str]) -> set[str]:
    """The files that are not what the run wrote."""
    found = set()
    try:
        listed = digests.read(folder) or {}
    except digests.DamagedError as error:
        notes.append(f"{error}.")
        return set()
    for name in listed.keys() & {"config.json", "summary.json", "metrics.jsonl", "bad_rows.jsonl"}:
        try:
            digests.verify(folder, listed, [name])
        except digests.DamagedError as error:
            notes.append(f"{error}.")
            found.add(name)
    return found


def _json(path: Path, notes: list[str]) -> dict[str, Any] | None:
    if not path.is_file():
        notes.append(f"There is no {path.name} in the folder.")
        return None
    try:
        return read_json(path)
    except DamagedFile as error:
        notes.append(f"{error}.")
        return None


def _lines(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    try:
        rows = [row for _, row in json_lines(path)]
    except DamagedFile as error:
        notes.append(f"{error}.")
        return []
    bad = rows[:-1].count(None)  # the last line of a killed run may be half a line
    if bad:
        notes.append(f"{bad:,} of the {len(rows):,} lines of {path.name} could not be read.")
    return [row for row in rows if row is not None]


def _history(path: Path, notes: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not path.is_file():
        notes.append(f"There is no {path.name} in the folder, so the page has no curves.")
        return {}
    points: dict[str, dict[int, float]] = {}
    for row in _lines(path, notes):
        step = row.pop("step", None)
        if not isinstance(step, int) or step >= 2**63:
            continue
        for name, value in results.numbers(row).items():
            points.setdefault(name, {})[step] = value  # a step that was repeated counts once
    history = {}
    for name, own in points.items():
        steps = sorted(own)
        history[name] = (np.array(steps, np.int64), np.array([own[s] for s in steps], np.float64))
    return history


def _bad_rows(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for row in _lines(path, notes):
        count = row.get("count", 1)
        known = isinstance(count, int | float) and math.isfinite(count)
        rows.append(
            {name: str(row.get(name, "?")) for name in ("key", "field", "reason")}
            | {"count": int(count) if known else 1}
        )
    return sorted(rows, key=lambda row: -row["count"])


def _log(path: Path, notes: list[str]) -> str:
    if not path.is_file():
        return ""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        notes.append(f"{path} cannot be read: {reason(error)}.")
        return ""
    if len(text) > LOG_CHARACTERS:
        half = LOG_CHARACTERS // 2
        text = (
            f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
        )
    return text

"""Comparison of runs: settings that differ, final numbers, and curves."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmjax.errors import ConfigError
from mmjax.files import write_atomically
from mmjax.report import charts, files, plots, results
from mmjax.report.files import RunFiles
from mmjax.report.page import environment

MISSING = "-"  # stands where a run has no such setting or number


class Runs(NamedTuple):
    """What is to be seen of several runs.

    Attributes:
      names: of the runs, short and different.
      read: what their folders hold.
      settings: (key, its value in each run as text), where they differ.
      numbers: (name, its value in each run or NaN), the final ones; those that are the same
        everywhere, such as the size of a gallery, are left out.
      same: how many numbers are the same everywhere.
      notes: what is missing, each with the run's name, and which folders were left out.
    """

    names: list[str]
    read: list[RunFiles]
    settings: list[tuple[str, list[str]]]
    numbers: list[tuple[str, list[float]]]
    same: int
    notes: list[str]


def read(folders: Sequence[str | Path]) -> Runs:
    """Reads runs from their folders, in the order given.

    A folder that is no run is left out, with a note, as `runs/*` may name anything.

    Raises:
      ConfigError: for fewer than two runs, or more than a chart can show.
    """
    given = [Path(folder) for folder in folders]
    paths = [path for path in given if _is_run(path)]
    others = [
        f"{path} is left out: it is no run, with neither config.json nor metrics.jsonl"
        for path in given
        if path not in paths
    ]
    if len(paths) < 2:
        said = "".join(f"; {note}" for note in others)
        raise ConfigError(f"give two runs or more: mmjax compare runs/ONE runs/ANOTHER{said}")
    if len(paths) > plots.COLOURS:
        raise ConfigError(f"{len(paths)} runs: a chart tells {plots.COLOURS} apart, give fewer")
    found = [files.read(path) for path in paths]
    names = _names(paths)
    values = _table([run.summary for run in found], math.nan)
    differ = [(name, row) for name, row in values if len(set(map(str, row))) > 1]
    return Runs(
        names,
        found,
        settings=_settings([run.config or {} for run in found]),
        numbers=sorted(differ, key=lambda item: item[0].startswith("train/")),
        same=len(values) - len(differ),
        notes=[
            *others,
            *(
                f"{name}: {note}"
                for name, run in zip(names, found, strict=True)
                for note in run.notes
                if "gallery" not in note
            ),  # of the page of one run
        ],
    )


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("config.json", "metrics.jsonl"))


def write(runs: Runs, out: Path) -> Path:
    """Writes the comparison as a page: one file that needs no network."""
    page = (
        environment()
        .get_template("compare.html.jinja")
        .render(
            names=runs.names,
            titles=[_title(run) for run in runs.read],
            folders=[str(run.folder) for run in runs.read],
            settings=runs.settings,
            numbers=[(name, _cells(name, row)) for name, row in runs.numbers],
            same=runs.same,
            notes=runs.notes,
            charts=charts.overlaid(
                {name: run.history for name, run in zip(runs.names, runs.read, strict=True)}
            ),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page.encode("utf-8", "replace").decode("utf-8"))
    return out


def lines(runs: Runs) -> list[str]:
    """Settings and numbers as aligned lines of text."""
    rows = [("setting", runs.names), *runs.settings]
    said = _grid(rows, left=True) if runs.settings else ["The settings of the runs are the same."]
    shown = [("number", runs.names)] + [(name, _cells(name, row)) for name, row in runs.numbers]
    said += ["", *(_grid(shown) if runs.numbers else ["The runs have no numbers that differ."])]
    if runs.same:
        said.append(f"  ({runs.same} numbers are the same in all runs)")
    return said


def _names(paths: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as it takes to tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    raise ConfigError(f"duplicate run: {', '.join(map(str, paths))}")


def _title(run: RunFiles) -> str:
    config = run.config or {}
    return f"{config.get('recipe', '?')} ({config.get('variant', '?')})"


def _table(columns: Sequence[Mapping[str, Any]], missing: Any) -> list[tuple[str, list[Any]]]:
    """Rows by name, in the order in which the columns have the names."""
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [column.get(name, missing) for column in columns]) for name in names]


def _settings(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The keys whose values differ; a section that only some have is one row."""
    rows = []
    for key, values in _table(configs, MISSING):
        if all(isinstance(value, Mapping) for value in values):
            rows += [(f"{key}.{under}", row) for under, row in _settings(values)]
        else:
            texts = [value if value is MISSING else _text(value) for value in values]
            if len(set(texts)) > 1:
                rows.append((key, texts))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and "type" in value:
        return f"{value['type']}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cells(name: str, row: Sequence[float]) -> list[str]:
    digits = 0 if name in ("step", "seconds") else 4
    return [MISSING if math.isnan(value) else results.number(value, digits) for value in row]


def _grid(rows: Sequence[tuple[str, Sequence[str]]], left: bool = False) -> list[str]:
    cells = [[name, *values] for name, values in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  "
        + "  ".join(
            cell.ljust(width) if left or not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "  " + "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines

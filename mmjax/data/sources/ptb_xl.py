"""PTB-XL as PhysioNet releases it: ECGs with reports, diagnoses and ten folds of patients."""

from __future__ import annotations

import ast
import csv
from pathlib import Path
from typing import Any, Literal

from mmjax import extras
from mmjax.data.formats.files import existing
from mmjax.data.formats.signal import Signal
from mmjax.data.formats.wfdb import read_record
from mmjax.data.records import BadExample, SourceError
from mmjax.data.sources.user_files import Entry, FileSource, OnError
from mmjax.data.sources.wfdb import read_table

TABLE, STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
FOLDS = tuple(range(1, 11))
_FILES = {100: "filename_lr", 500: "filename_hr"}


class PtbXlSource(FileSource):
    """The 12-lead ECGs of PTB-XL, 10 s each (Wagner et al. 2020, doi 10.1038/s41597-020-0495-6).

    Needs the extra `ecg`. The folder has `ptbxl_database.csv`, `scp_statements.csv` and
    `records100/` or `records500/`. No patient is in two folds; 1 to 8 are to train on, 9 and 10,
    which a person looked at, to validate and to test. A record carries the labels `fold`,
    `superclass`, those of NORM, MI, STTC, CD and HYP that it has, and `subclass`; a list each, by
    the diagnostic statements among its `scp_codes`, whatever their likelihood, as the authors'
    example and benchmark count them (Strodthoff et al. 2020, arXiv 2004.13701).

    Args:
      path: the folder.
      rate: of the records that are read, in samples a second.
      folds: whose records are taken.
      reports: take the report, most of them German, as the text; a record without one is left out.
      diagnosed: take those records only that have a superclass, as that benchmark does.
      on_error: 'skip' or 'fail', for a record without header or without codes.

    Raises:
      SourceError: for a folder without these files, and folds that no record is of.
      MissingExtra: without the extra.
    """

    def __init__(
        self,
        *,
        path: str,
        rate: Literal[100, 500] = 500,
        folds: tuple[int, ...] = FOLDS,
        reports: bool = True,
        diagnosed: bool = False,
        on_error: OnError = "skip",
    ):
        extras.find("wfdb", "ecg", "a source of type 'ptb_xl'")
        folder = existing(path, "folder of PTB-XL")
        if strange := sorted(set(folds) - set(FOLDS)):
            raise SourceError(f"{path}: folds names {strange[0]}; PTB-XL has the folds 1 to 10")
        classes = _statements(folder / STATEMENTS)
        found = read_table(
            str(folder / TABLE),
            {"ecg": _FILES[rate], **({"text": "report"} if reports else {})},
            {"fold": "strat_fold", "codes": "scp_codes"},
        )
        entries, bad = [], list(found.bad)
        for entry in found.entries:
            try:
                labels = _labels(entry, classes)
            except BadExample as error:
                bad.append(error)
                continue
            if int(labels["fold"]) in folds and (labels["superclass"] or not diagnosed):
                entries.append(entry._replace(labels=labels))
        if not entries and not bad:
            raise SourceError(f"{path}: no record is of the folds {', '.join(map(str, folds))}")
        found = found._replace(name=folder.name, entries=entries, bad=bad, notes=())
        super().__init__(found, split="all", val_fraction=0.0, on_error=on_error)

    def read(self, path: str, key: str, field: str) -> Signal:
        """The signal of a record, by its header."""
        return read_record(path, key, field)


def _statements(file: Path) -> dict[str, tuple[str, str]]:
    """Of each diagnostic statement, its superclass and its subclass."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return {
            next(iter(row.values())): (
                row["diagnostic_class"] or "",
                row["diagnostic_subclass"] or "",
            )
            for row in rows
            if row["diagnostic"] and float(row["diagnostic"]) == 1
        }
    except (OSError, KeyError, ValueError, StopIteration) as error:
        raise SourceError(
            f"{file} should be PTB-XL's table of statements, with the columns diagnostic, "
            f"diagnostic_class and diagnostic_subclass ({type(error).__name__}: {error})"
        ) from error


def _labels(entry: Entry, classes: dict[str, tuple[str, str]]) -> dict[str, Any]:
    said, fold = entry.labels["codes"], entry.labels["fold"]
    try:
        codes = ast.literal_eval(said)  # {'NORM': 100.0, 'SR': 0.0}
        known = [classes[code] for code in codes if code in classes]
        if not isinstance(codes, dict) or not fold.isdecimal():
            raise ValueError(fold)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        reason = f"{said!r} are no codes with likelihoods, or {fold!r} is no fold"
        raise BadExample(entry.key, "scp_codes", reason) from error
    found = (sorted({own[place] for own in known} - {""}) for place in range(2))
    return {"fold": fold, **dict(zip(("superclass", "subclass"), found, strict=True))}

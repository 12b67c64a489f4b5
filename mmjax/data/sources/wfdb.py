"""PhysioNet records: ECGs and other signals in WFDB files, with reports or diagnoses."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmjax import extras
from mmjax.data.formats.files import existing, missing
from mmjax.data.formats.signal import Signal
from mmjax.data.formats.wfdb import read_record
from mmjax.data.records import BadExample, SourceError
from mmjax.data.sources.manifest import read_manifest
from mmjax.data.sources.manifest_rows import Columns
from mmjax.data.sources.user_files import Entry, FileSource, FoundFiles, OnError
from mmjax.data.splits import Split
from mmjax.schema.bounds import BelowOne

# Diagnoses of the PhysioNet/CinC Challenges 2020 and 2021 and of CPSC 2018, by SNOMED CT code.
DIAGNOSES = {
    "10370003": "pacing rhythm",
    "39732003": "left axis deviation",
    "47665007": "right axis deviation",
    "59118001": "right bundle branch block",
    "59931005": "t wave inversion",
    "63593006": "supraventricular premature beats",
    "111975006": "prolonged qt interval",
    "164884008": "ventricular ectopic beats",
    "164889003": "atrial fibrillation",
    "164890007": "atrial flutter",
    "164909002": "left bundle branch block",
    "164917005": "abnormal q wave",
    "164931005": "st elevation",
    "164934002": "abnormal t wave",
    "164947007": "prolonged pr interval",
    "251146004": "low qrs voltages",
    "270492004": "first degree av block",
    "284470004": "premature atrial contraction",
    "426177001": "sinus bradycardia",
    "426627000": "bradycardia",
    "426783006": "sinus rhythm",
    "427084000": "sinus tachycardia",
    "427172004": "premature ventricular contractions",
    "427393009": "sinus arrhythmia",
    "429622005": "st depression",
    "445118002": "left anterior fascicular block",
    "698252002": "nonspecific intraventricular conduction disorder",
    "713426002": "incomplete right bundle branch block",
    "713427006": "complete right bundle branch block",
}


# The usual names of the column that tells patients apart, lower case.
_OF_PATIENTS = ("patient_id", "subject_id", "patient", "subject")


class WfdbSource(FileSource):
    """WFDB records (a `.hea` file and its `.dat` or `.mat`) as signals with a text each.

    Needs the extra `ecg`. In a folder, every `.hea` below it is a record, and the text is what the
    comments of its header say, as in the PhysioNet Challenges' data; or a table names the records
    and holds the texts, as in PTB-XL:

        {"type": "wfdb", "path": "ptb-xl/ptbxl_database.csv",
         "columns": {"ecg": "filename_hr", "text": "report"}, "labels": {"fold": "strat_fold"}}

    (`ptb_xl` is a source that knows its folds and classes.)

    Args:
      path: a folder, or a table whose column names records, with or without `.hea`, from the
        table's folder on.
      columns: of a table, {modality: column}; `ecg` names the record. Without it, well-known names
        are looked for, such as `ecg`, `record` and `file`, `text` and `report`.
      labels: of a table, {label: column}.
      comment: in a folder, the comment of the header, without its '#', that is the text: 'Dx' of
        `# Dx: 164889003,59118001`. Codes of `DIAGNOSES` become their names; others stay as they
        are.
      split_by: of a table, a column whose rows of one value are in one split. Without it, one of
        patients is looked for: `patient_id`, `subject_id`, `patient` or `subject`.
      split: 'train', 'val' or 'all', by a hash of that value, or of the record's name where there
        is none (see `choose`).
      val_fraction: the share of records in 'val'.
      on_error: 'skip' or 'fail', for a record without header or without text.

    Raises:
      SourceError: for a path without records.
      MissingExtra: without the extra.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: Columns | None = None,
        labels: dict[str, str] | None = None,
        comment: str = "Dx",
        split_by: str | None = None,
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
        on_error: OnError = "skip",
    ):
        extras.find("wfdb", "ecg", "a source of type 'wfdb'")
        place = existing(path, "folder or table")
        if place.is_dir():
            found = _folder(place, comment)
        else:
            found = read_table(path, columns, labels, split_by or _OF_PATIENTS)
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)

    def read(self, path: str, key: str, field: str) -> Signal:
        """The signal of a record, by its header."""
        return read_record(path, key, field)


def _folder(folder: Path, comment: str) -> FoundFiles:
    names = sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, files in os.walk(folder)
        for name in files
        if name.endswith(".hea")
    )
    if not names:
        raise SourceError(f"{folder} holds no WFDB records (.hea files)")
    entries, bad = [], []
    for position, name in enumerate(names):
        try:
            texts = [diagnosis(_comment(folder / name, name, comment))]
        except BadExample as error:
            bad.append(error)
        else:
            files = {"ecg": str(folder / name)}
            entries.append(Entry(position, name, name, files, {"text": {"": texts}}, {}))
    notes = (f"texts from the header's {comment!r}",)
    return FoundFiles(str(folder), entries, bad, ("ecg", "text"), len(names), notes=notes)


def _comment(file: Path, key: str, comment: str) -> str:
    if reason := missing(str(file)):
        raise BadExample(key, "ecg", reason)
    text = file.read_text(encoding="utf-8", errors="replace")
    found = re.search(rf"^#\s*{re.escape(comment)}\s*:[ \t]*(.*\S)", text, re.MULTILINE)
    if found is None:
        raise BadExample(key, "text", f"its header has no comment '# {comment}: ...'")
    return found[1]


def diagnosis(codes: str) -> str:
    """Codes as text: '164889003,59118001' is 'atrial fibrillation, right bundle branch block'."""
    return ", ".join(DIAGNOSES.get(code.strip(), code.strip()) for code in codes.split(","))


def read_table(
    path: str,
    columns: Columns | None,
    labels: dict[str, str] | None,
    split_by: str | tuple[str, ...] | None = None,
) -> FoundFiles:
    """The records that a table names, whose headers are there; arguments as of the source."""
    found = read_manifest(
        path,
        columns=columns,
        modality="ecg",
        labels=labels,
        split_by=split_by,
        check_files=False,
        group_rows=False,
    )
    if "ecg" not in found.modalities:
        raise SourceError(f"{path}: columns should name the column of 'ecg', the records")
    entries, bad = [], list(found.bad)
    for entry in found.entries:
        header = entry.files["ecg"].removesuffix(".hea") + ".hea"
        if reason := missing(header):
            bad.append(BadExample(entry.key, "ecg", reason))
        else:
            entries.append(entry._replace(files={**entry.files, "ecg": header}))
    return found._replace(entries=entries, bad=bad)

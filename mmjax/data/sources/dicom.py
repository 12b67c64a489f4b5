"""ECGs in DICOM files, with the lines of their reports."""

from __future__ import annotations

import os
from pathlib import Path

from mmjax import extras
from mmjax.data.formats.dicom import EXTRA, waveform
from mmjax.data.formats.files import existing, missing, read_file
from mmjax.data.formats.signal import SignalError
from mmjax.data.records import BadExample, Record, SourceError
from mmjax.data.sources.user_files import Entry, FileSource, FoundFiles, OnError
from mmjax.data.splits import Split
from mmjax.schema.bounds import BelowOne


class DicomEcgSource(FileSource):
    """DICOM waveform files (`.dcm`) below a folder, or one of them: an ECG with its report.

    Needs the extra `ecg`. The signal is the first group of channels, which is the rhythm strip; the
    text is the report's lines with commas between them. A record without report lacks the text.
    Files with tables of texts are read by `type='manifest'` as well.

    Args:
      path: a folder or a file.
      split: 'train', 'val' or 'all', by a hash of the file's name (see `choose`).
      val_fraction: the share of files in 'val'.
      on_error: 'skip' or 'fail', for an empty file.

    Raises:
      SourceError: for a path without such files.
      MissingExtra: without the extra.
    """

    def __init__(
        self,
        *,
        path: str,
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
        on_error: OnError = "skip",
    ):
        extras.find(*EXTRA)
        place = existing(path, "folder or file")
        files = [place] if place.is_file() else _files(place)
        if not files:
            raise SourceError(f"{place} holds no DICOM files (.dcm)")
        entries, bad = [], []
        for position, file in enumerate(files):
            name = file.name if place.is_file() else str(file.relative_to(place))
            if reason := missing(str(file)):
                bad.append(BadExample(name, "ecg", reason))
            else:
                entries.append(Entry(position, name, name, {"ecg": str(file)}, {}, {}))
        found = FoundFiles(
            str(place), entries, bad, ("ecg", "text"), len(files), may_lack=("text",)
        )
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)

    def __getitem__(self, index: int) -> Record:
        entry = self.entries[index]
        try:
            signal, lines = waveform(read_file(entry.files["ecg"], entry.key, "ecg"))
        except SignalError as error:
            raise BadExample(entry.key, "ecg", str(error)) from error
        record: Record = {"id": entry.id, "key": entry.key, "ecg": signal}
        if lines:
            record["text"] = ", ".join(lines)
        return record


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".dcm")
    )

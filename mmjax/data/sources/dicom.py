"""ECGs in DICOM files, with the lines of their reports."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from mmjax import extras
from mmjax.data.signals import MOST_NUMBERS, Signal, SignalError
from mmjax.data.sources.base import BadExample, Record
from mmjax.data.sources.user_files import (
    Entry,
    FileSource,
    Found,
    OnError,
    SourceError,
    Split,
    existing,
    missing,
    read_file,
)

_EXTRA = ("pydicom", "ecg", "a DICOM waveform")


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
        val_fraction: float = 0.1,
        on_error: OnError = "skip",
    ):
        extras.find(*_EXTRA)
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
        found = Found(str(place), entries, bad, ("ecg", "text"), len(files), may_lack=("text",))
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


def waveform(content: bytes) -> tuple[Signal, list[str]]:
    """The first group of channels of a DICOM waveform file, and the lines of its report.

    Raises:
      SignalError: for a file that is none or damaged.
      MissingExtra: without the extra.
    """
    pydicom = extras.needs(*_EXTRA)
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        group = dataset.WaveformSequence[0]
        channels = list(group.ChannelDefinitionSequence)
        count = int(group.NumberOfWaveformSamples) * len(channels)
        if not 0 < count <= MOST_NUMBERS:
            raise ValueError(f"it says that it holds {count} numbers")
        samples = np.asarray(dataset.waveform_array(0), np.float32)
        names = tuple(str(c.ChannelSourceSequence[0].CodeMeaning) for c in channels)
        units = tuple(
            str(c.ChannelSensitivityUnitsSequence[0].CodeValue)
            for c in channels
            if "ChannelSensitivityUnitsSequence" in c
        )
        lines = [
            str(note.UnformattedTextValue).strip()
            for note in dataset.get("WaveformAnnotationSequence", [])
            if note.get("UnformattedTextValue")
        ]
        rate = float(group.SamplingFrequency)
    except Exception as error:  # damaged files make the library raise nearly anything
        said = " ".join(str(error).split())[:200]
        raise SignalError(
            f"it is no DICOM waveform that can be read: {type(error).__name__}: {said}".rstrip(
                ": ."
            )
        ) from error
    return Signal(samples, rate, names, units if len(units) == len(names) else ()), lines


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".dcm")
    )

"""Waveforms of DICOM files: signals, such as ECGs, with the lines of their reports."""

from __future__ import annotations

import io

import numpy as np

from mmjax import extras
from mmjax.data.formats.signal import MOST_NUMBERS, Signal, SignalError

EXTRA = ("pydicom", "ecg", "a DICOM waveform")


def waveform(content: bytes) -> tuple[Signal, list[str]]:
    """The first group of channels of a DICOM waveform file, and the lines of its report.

    Raises:
      SignalError: for a file that is none or damaged.
      MissingExtra: without the extra.
    """
    pydicom = extras.needs(*EXTRA)
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        group = dataset.WaveformSequence[0]
        channels = list(group.ChannelDefinitionSequence)
        count = int(group.NumberOfWaveformSamples) * len(channels)
        if not 0 < count <= MOST_NUMBERS:
            raise ValueError(f"its header declares {count} numbers")
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

"""Signals from the bytes of `.npy` files and of DICOM waveforms."""

from __future__ import annotations

from mmjax.data.formats.dicom import waveform
from mmjax.data.formats.numbers import load_array
from mmjax.data.formats.signal import Signal, SignalError


def read_signal(content: bytes) -> Signal:
    """The bytes of a file: a `.npy` array [T, C], which knows no rate, or a DICOM waveform.

    Raises:
      SignalError: if it is neither, or damaged.
    """
    if content[128:132] == b"DICM":
        return waveform(content)[0]
    try:
        return Signal(load_array(content))
    except Exception as error:  # damaged headers make NumPy raise nearly anything
        raise SignalError(
            f"the {len(content)} bytes, starting with {bytes(content[:8])!r}, are no .npy array "
            "and no DICOM file"
        ) from error

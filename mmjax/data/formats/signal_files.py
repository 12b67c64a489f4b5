"""Signals from the bytes of `.npy` and CSV files and of DICOM waveforms."""

from __future__ import annotations

import math

import numpy as np

from mmjax.data.formats.dicom import waveform
from mmjax.data.formats.numbers import load_array
from mmjax.data.formats.signal import Signal, SignalError


def read_signal(content: bytes) -> Signal:
    """The bytes of a file: `.npy` or CSV of [T, C], which know no rate, or a DICOM waveform.

    A CSV has a row for each sample and a column for each channel, whose names a header may give;
    between them are commas, semicolons or tabs. A blank cell is NaN.

    Raises:
      SignalError: if it is none of them, or damaged.
    """
    if content[128:132] == b"DICM":
        return waveform(content)[0]
    if not content.startswith(_NPY) and (text := _text(content)) is not None:
        return _table(text)
    try:
        return Signal(load_array(content))
    except Exception as error:  # damaged headers make NumPy raise nearly anything
        raise SignalError(
            f"the {len(content)} bytes, starting with {bytes(content[:8])!r}, are no .npy array, "
            "no CSV of numbers and no DICOM file"
        ) from error


_NPY = b"\x93NUMPY"


def _text(content: bytes) -> str | None:
    """The bytes as text that may be a table; None for others."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if text.strip() and "\0" not in text else None


def _table(text: str) -> Signal:
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    delimiter = max(",;\t", key=lines[0][1].count)
    rows = [(n, [cell.strip() for cell in line.split(delimiter)]) for n, line in lines]
    names: tuple[str, ...] = ()
    if not any(_is_number(cell) for cell in rows[0][1]):
        names = tuple(cell.strip("\"'") for cell in rows.pop(0)[1])
    samples = []
    for number, row in rows:
        wrong = next((cell for cell in row if cell and not _is_number(cell)), None)
        if wrong is not None:
            raise SignalError(f"line {number} of the CSV holds {wrong!r:.40}, which is no number")
        samples.append([float(cell) if cell else math.nan for cell in row])
    if len({len(row) for row in (*samples, *([names] if names else []))}) != 1:
        raise SignalError("the lines of the CSV have different numbers of cells")
    if not samples:
        raise SignalError("the CSV has a header only")
    return Signal(np.array(samples), channels=names)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

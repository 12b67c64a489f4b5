"""Records of PhysioNet's WFDB format: a header and its signal files."""

from __future__ import annotations

import os

from mmjax.data.formats.files import missing
from mmjax.data.formats.signal import MOST_NUMBERS, Signal
from mmjax.data.records import BadExample


def read_record(header: str, key: str, field: str) -> Signal:
    """The signal of a record, f32[T, C] in its physical units; NaN where none was recorded.

    Raises:
      BadExample: for files that are missing, damaged or cut off, and for absurd sizes.
    """
    import wfdb  # of the extra `ecg`

    if reason := missing(header):
        raise BadExample(key, field, reason)
    name = header.removesuffix(".hea")
    try:
        head = wfdb.rdheader(name)
        if not head.sig_len or not head.n_sig or head.sig_len * head.n_sig > MOST_NUMBERS:
            raise ValueError(f"{head.n_sig} signals of {head.sig_len} samples")
        # One of several segments names no files; `~` is a channel without a file.
        for file in dict.fromkeys(getattr(head, "file_name", None) or ()):
            reason = None if file == "~" else missing(os.path.join(os.path.dirname(header), file))
            if reason:
                raise BadExample(key, field, reason)
        record = wfdb.rdrecord(name)
        samples = record.p_signal.astype("float32")
        if samples.shape != (head.sig_len, head.n_sig):
            raise ValueError(f"{list(samples.shape)} instead of {[head.sig_len, head.n_sig]}")
    except BadExample:
        raise
    except Exception as error:  # damaged headers make the library raise nearly anything
        said = " ".join(str(error).split())[:200]
        reason = f"the record {name} cannot be read: {type(error).__name__}: {said}"
        raise BadExample(key, field, reason.rstrip(": .")) from error
    return Signal(samples, float(record.fs), tuple(record.sig_name), tuple(record.units))

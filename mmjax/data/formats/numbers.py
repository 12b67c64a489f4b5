"""Arrays of numbers: values that are some already, and the bytes of `.npy` files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from mmjax.data.records import unusable


def numbers(value: Any) -> np.ndarray:
    """A value as an array of f32: numbers, or the bytes of a `.npy` file.

    Raises:
      BadExample: of a view, if it is neither.
    """
    try:
        if isinstance(value, bytes):
            value = np.load(io.BytesIO(value), allow_pickle=False)
        return np.asarray(value, np.float32)
    except Exception as error:  # damaged headers make NumPy raise nearly anything
        said = " ".join(str(error).split())
        raise unusable(f"it is no array of numbers, nor a .npy file of one: {said}") from error

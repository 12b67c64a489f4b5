"""Arrays of numbers: values that are some already, and the bytes of `.npy` files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from mmjax.data.records import unusable


def load_array(content: bytes) -> np.ndarray:
    """The array of real numbers, or truth values, of a `.npy` file.

    NumPy would turn complex numbers and texts into real ones, with a warning at most.

    Raises:
      Exception: of nearly any kind, for damaged headers; ValueError for another type.
    """
    return real(np.load(io.BytesIO(content), allow_pickle=False))


def real(value: Any) -> np.ndarray:
    """A value as an array of its own type, which has to be real numbers or truth values.

    Raises:
      ValueError: for any other type.
    """
    array = np.asarray(value)
    if array.dtype == object:  # of Python's numbers, as tables have them
        array = np.asarray(array.tolist())
    if array.dtype.kind not in "iufb":
        raise ValueError(f"it holds {array.dtype}")
    return array


def numbers(value: Any) -> np.ndarray:
    """A value as an array of f32: numbers, or the bytes of a `.npy` file.

    Raises:
      BadExample: of a view, if it is neither.
    """
    try:
        if isinstance(value, bytes):
            value = load_array(value)
        return np.asarray(real(value), np.float32)
    except Exception as error:  # damaged headers make NumPy raise nearly anything
        said = " ".join(str(error).split())
        raise unusable(f"it is no array of numbers, nor a .npy file of one: {said}") from error

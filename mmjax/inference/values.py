"""What people give a model: lists, generators, arrays and tensors, of values of any kind."""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageOps

from mmjax.data.formats.files import read_file
from mmjax.data.formats.signal import Signal
from mmjax.data.records import unusable
from mmjax.errors import ConfigError

_ONE = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)


def rows(name: str, given: Any, view: Any = None) -> np.ndarray | Iterable[Any]:
    """Values of one modality, in order.

    Args:
      name: of the argument, for messages.
      given: a sequence, an iterator, or an array or tensor of any library.
      view: of the modality, where there is one.

    Returns:
      An array [N, ...] of inputs that are ready for the tower; or raw values for the view.

    Raises:
      ConfigError: for a single value, and for what has no order.
    """
    if isinstance(given, _ONE):
        raise ConfigError(f"give a list, {name}=[...], also for one value")
    if isinstance(given, Mapping | Set):
        raise ConfigError(
            f"{name} is a {type(given).__name__}: give a list of values, in the order of the result"
        )
    try:
        array = as_array(given)
        if array is not None:
            return _rows_of(name, array, view)
        iter(given)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}; give a list, {name}=[...]") from error
    values: Iterable[Any] = given
    return values


def _rows_of(name: str, array: np.ndarray, view: Any) -> np.ndarray | list[Any]:
    if array.ndim == 0:
        raise ConfigError(f"give a list, {name}=[...], also for one value")
    if not _numeric(array) or not len(array):
        listed: list[Any] = array.tolist()
        return listed
    wanted = None if view is None else view.dtype
    if array.dtype == np.uint8 and wanted is not None and wanted.kind == "f":
        if array.ndim == len(view.shape) and array.shape[-1] in (3, 4):
            raise ConfigError(f"give a list, {name}=[...], also for one value")
        return list(array)  # pixels, which the view scales
    real = jnp.issubdtype(array.dtype, np.floating)
    if not real and not jnp.issubdtype(array.dtype, np.integer):
        raise ConfigError(f"{name} is an array of {array.dtype}, which no tower reads")
    if wanted is None:
        wanted = np.dtype(np.float32 if real else np.int32)
    if real != (wanted.kind == "f"):
        raise ConfigError(
            f"{name} is an array of {array.dtype}, and an array is of inputs that are ready for "
            f"the tower, {wanted} {[len(array), *view.shape]}: give raw values as a list"
        )
    if not real and array.size and not -(2**31) <= array.min() <= array.max() < 2**31:
        raise ConfigError(f"{name} holds {array.max()}, which is no id that a tower knows")
    return array.astype(wanted, copy=False)


def parts(values: np.ndarray | Iterable[Any], size: int) -> Iterator[Any]:
    """`values` in order, in parts of `size`; each an array or a list."""
    if isinstance(values, np.ndarray):
        yield from (values[i : i + size] for i in range(0, len(values), size))
        return
    left = iter(values)
    while part := list(islice(left, size)):
        yield part


def plain(value: Any, view: Any) -> Any:
    """What a view takes, of what people have: of images and tensors an array, of paths the file.

    Raises:
      BadExample: of a view, for a file or an image that cannot be read.
    """
    if isinstance(value, Image.Image):
        return _pixels(value)
    if isinstance(value, os.PathLike) or (isinstance(value, str) and not view.reads_text):
        path = os.fspath(value)
        return read_file(os.path.expanduser(path) if isinstance(path, str) else path, "", "")
    if isinstance(value, np.ndarray | str | bytes | list | tuple | Mapping | Signal):
        return value  # a Signal would be an array, too, but without its rate and channels
    try:
        array = as_array(value)
    except ValueError as error:
        raise unusable(str(error)) from error
    return value if array is None else array


def _pixels(image: Image.Image) -> Any:
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("RGB", "RGBA", "L"):
            return np.asarray(image)
        # Of other modes a view knows what they look like in a file.
        data = io.BytesIO()
        image.save(data, "PNG")
    except Exception as error:  # files that are damaged make Pillow raise nearly anything
        raise unusable(f"the image cannot be read: {error}") from error
    return data.getvalue()


def as_array(value: Any) -> np.ndarray | None:
    """NumPy's form of an array or tensor of any library, on any device; None for what is none.

    Raises:
      ValueError: for one that NumPy has no form of.
    """
    try:
        if hasattr(value, "detach"):  # torch's: NumPy takes neither gradients nor other devices
            value = value.detach().cpu()
        return np.asarray(value) if hasattr(value, "__array__") else None
    except Exception as error:  # each library has errors of its own
        raise ValueError(f"a {type(value).__name__} is no array here ({error})") from error


def unit(name: str, given: Any) -> np.ndarray:
    """Embeddings as f32[N, D], rows of length 1; zeros stay.

    Raises:
      ConfigError: for anything but finite numbers [N, D].
    """
    try:
        array = as_array(given)
        x = np.asarray(given if array is None else array)
    except Exception as error:  # values have errors of their own
        raise ConfigError(f"{name} is no array of embeddings [N, D]: {error}") from error
    if not _numeric(x) or x.dtype.kind == "c" or x.ndim != 2:
        raise ConfigError(
            f"{name}: embeddings are numbers [N, D], and this is {x.dtype} {list(x.shape)}"
        )
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        row = int(np.argmin(np.isfinite(x).all(axis=1)))
        raise ConfigError(f"{name}: row {row} holds NaN or infinite numbers")
    scaled: np.ndarray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return scaled


def count(name: str, value: Any) -> int:
    """A whole number of at least 1.

    Raises:
      ConfigError: for anything else.
    """
    try:
        number = operator.index(value)
    except TypeError as error:
        raise ConfigError(f"{name}={value!r}: a whole number is needed") from error
    if number < 1:
        raise ConfigError(f"{name}={value!r}: at least 1 is needed")
    return number


def strings(name: str, given: Any) -> list[str]:
    """A list of texts, at least one.

    Raises:
      ConfigError: for a text alone, for none, and for what is not text.
    """
    found = list(rows(name, given))
    for i, value in enumerate(found):
        if not isinstance(value, str):
            raise ConfigError(f"{name}[{i}] is a {type(value).__name__}, not text")
    if not found:
        raise ConfigError(f"{name} is empty: give at least one")
    return found


def _numeric(array: np.ndarray) -> bool:
    return bool(jnp.issubdtype(array.dtype, np.number))

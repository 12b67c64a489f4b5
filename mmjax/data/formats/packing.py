"""Records as bytes and back, exactly: what the shards of `mmjax.data.convert` hold.

    CRC-32 of all that follows, u32 little-endian | the value in MessagePack

What MessagePack does not know is one of its extension types: tuples, NumPy's arrays and numbers,
integers of more than 64 bits, and the dataclasses that sources give.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from mmjax.data.formats.molecules import Molecule
from mmjax.data.formats.signal import Signal

VERSION = 2  # of the bytes; 1 was a format of our own
CLASSES = {made.__name__: made for made in (Signal, Molecule)}
_TUPLE, _ARRAY, _NUMBER, _INTEGER, _OBJECT = range(1, 6)


def pack(value: Any) -> bytes:
    """A value of dicts, lists, tuples, text, bytes, numbers, arrays and `CLASSES` as bytes.

    Raises:
      TypeError: for what is none of these.
    """
    _check(value)
    body = _pack(value)
    return struct.pack("<I", zlib.crc32(body)) + body


def unpack(content: bytes) -> Any:
    """The value that `pack` was given.

    Raises:
      ValueError: when the bytes are not what `pack` made.
    """
    if len(content) < 5:
        raise ValueError(f"it has only {len(content)} bytes")
    body = memoryview(content)[4:]
    if zlib.crc32(body) != struct.unpack_from("<I", content)[0]:
        raise ValueError("its checksum is another: it is damaged")
    return _unpack(body)


def _pack(value: Any) -> bytes:
    # A lone surrogate is no text, but a source may give one, and a view then says so.
    try:
        content: bytes = msgpack.packb(
            value, default=_extended, strict_types=True, unicode_errors="surrogatepass"
        )
        return content
    except ValueError as error:
        raise TypeError(f"it cannot be written: {error}") from error


def _unpack(content: bytes | memoryview) -> Any:
    return msgpack.unpackb(content, ext_hook=_restored, unicode_errors="surrogatepass")


def _check(value: Any) -> None:
    """Raises TypeError for a dict whose keys are not text."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} of a dict is not text")
            _check(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check(each)


def _extended(value: Any) -> Any:
    """What MessagePack does not know as an extension type, or as what it knows."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names:
            raise TypeError(f"arrays of {array.dtype} cannot be written")
        kind = _NUMBER if isinstance(value, np.generic) else _ARRAY
        return _extension(kind, [array.dtype.str, list(array.shape), array.tobytes()])
    if type(value) is int:
        return _extension(_INTEGER, str(value))
    if CLASSES.get(type(value).__name__) is type(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        _check(fields)
        return _extension(_OBJECT, [type(value).__name__, fields])
    if isinstance(value, tuple):
        return _extension(_TUPLE, list(value))
    for base in (dict, list):
        if isinstance(value, base):
            return base(value)
    raise TypeError(f"a {type(value).__name__} cannot be written")


def _extension(kind: int, value: Any) -> msgpack.ExtType:
    return msgpack.ExtType(kind, _pack(value))


def _restored(kind: int, content: bytes) -> Any:
    value = _unpack(content)
    makers: dict[int, Callable[[Any], Any]] = {
        _TUPLE: tuple,
        _ARRAY: _array,
        _NUMBER: lambda parts: _array(parts)[()],
        _INTEGER: int,
        _OBJECT: lambda parts: CLASSES[parts[0]](**parts[1]),
    }
    return makers[kind](value)


def _array(parts: list[Any]) -> np.ndarray:
    dtype, shape, content = parts
    # A copy, since what lies over bytes is read-only.
    return np.frombuffer(content, np.dtype(dtype)).reshape(shape).copy()

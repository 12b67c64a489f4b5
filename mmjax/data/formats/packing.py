"""Records as bytes and back, exactly: what the shards of `mmjax.data.convert` hold.

    checksum u32 | header length u32 | header, JSON in UTF-8 | blobs

Numbers are little-endian. The checksum is CRC-32 of all that follows. The header is the value, in
which text, finite numbers, truth values and null stand as they are, and everything else as a list
that begins with its kind:

    ["l", ...] list    ["t", ...] tuple    ["d", [key, value], ...] dict    ["f", text] float
    ["o", class, [field, value], ...] one of `CLASSES`
    ["b", size] bytes    ["a", dtype, shape] array    ["s", dtype] number of NumPy

The blobs of bytes, arrays and NumPy's numbers follow in the order of the header.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import struct
import zlib
from typing import Any

import numpy as np

# Dataclasses that sources give: name -> module.
CLASSES = {"Signal": "mmjax.data.formats.signal", "Molecule": "mmjax.data.formats.graphs"}
_HEAD = struct.Struct("<II")


def pack(value: Any) -> bytes:
    """A value of dicts, lists, tuples, text, bytes, numbers, arrays and `CLASSES` as bytes.

    Raises:
      TypeError: for what is none of these.
    """
    blobs: list[bytes] = []
    header = json.dumps(_write(value, blobs), separators=(",", ":"), allow_nan=False).encode()
    body = b"".join([struct.pack("<I", len(header)), header, *blobs])
    return struct.pack("<I", zlib.crc32(body)) + body


def unpack(content: bytes) -> Any:
    """The value that `pack` was given.

    Raises:
      ValueError: when the bytes are not what `pack` made.
    """
    if len(content) < _HEAD.size:
        raise ValueError(f"it has only {len(content)} bytes")
    checksum, size = _HEAD.unpack_from(content)
    if zlib.crc32(memoryview(content)[4:]) != checksum:
        raise ValueError("its checksum is another: it is damaged")
    end = _HEAD.size + size
    return _read(json.loads(content[_HEAD.size : end]), _Blobs(content, end))


def _write(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, bool) or type(value) in (str, int):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else ["f", repr(value)]
    if isinstance(value, bytes | bytearray | memoryview):
        blobs.append(bytes(value))
        return ["b", len(blobs[-1])]
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names:
            raise TypeError(f"arrays of {array.dtype} cannot be written")
        array = np.ascontiguousarray(array).reshape(array.shape)
        blobs.append(array.tobytes())
        kind = ["s", array.dtype.str]
        return kind if isinstance(value, np.generic) else ["a", array.dtype.str, list(array.shape)]
    name = type(value).__name__
    if CLASSES.get(name) == type(value).__module__:
        fields = [[field.name, getattr(value, field.name)] for field in dataclasses.fields(value)]
        return ["o", name, *([field, _write(each, blobs)] for field, each in fields)]
    if isinstance(value, dict):
        return ["d", *([_key(key), _write(each, blobs)] for key, each in value.items())]
    if isinstance(value, list | tuple):
        return ["l" if isinstance(value, list) else "t", *(_write(each, blobs) for each in value)]
    raise TypeError(f"a {type(value).__name__} cannot be written")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} of a dict is not text")
    return key


class _Blobs:
    def __init__(self, content: bytes, start: int):
        self._content, self._start = content, start

    def take(self, size: int) -> bytes:
        end = self._start + size
        found = self._content[self._start : end]
        self._start = end
        return found


def _read(value: Any, blobs: _Blobs) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == "f":
        return float(rest[0])
    if kind == "b":
        return blobs.take(rest[0])
    if kind in ("a", "s"):
        dtype, shape = np.dtype(rest[0]), rest[1] if kind == "a" else []
        array = np.frombuffer(blobs.take(dtype.itemsize * math.prod(shape)), dtype)
        array = array.reshape(shape).copy()  # the buffer is read-only
        return array if kind == "a" else array[()]
    if kind == "o":
        made = getattr(importlib.import_module(CLASSES[rest[0]]), rest[0])
        return made(**{field: _read(each, blobs) for field, each in rest[1:]})
    if kind == "d":
        return {key: _read(each, blobs) for key, each in rest}
    return (list if kind == "l" else tuple)(_read(each, blobs) for each in rest)

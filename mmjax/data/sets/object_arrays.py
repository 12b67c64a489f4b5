"""`.npy` files of Python objects, read as data: nothing in them is run.

NumPy keeps arrays of objects as a pickle, whose reader runs whatever the file says. Here the
pickle's opcodes are only looked at (`pickletools.genops`), and the few that lists, dicts, tuples,
numbers, texts and numeric arrays are made of are understood; any other is an error.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "BINBYTES8",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class _Made:
    """What a function that is not called would return: its name, arguments and state."""

    name: str
    args: tuple = ()
    state: Any = field(default=None)


class _Name(str):
    """A function or class that the file names."""


def read_objects(path: str | Path) -> Any:
    """The content of a `.npy` file of objects: lists, dicts, texts, numbers and numeric arrays.

    Raises:
      ValueError: if it is no such file, or holds anything else.
    """
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            dtype = read(file)[2]
        except Exception as error:  # damaged headers make NumPy raise nearly anything
            raise ValueError(f"{path} is no .npy file") from error
        if not dtype.hasobject:
            raise ValueError(f"{path} holds numbers, no objects: read it with numpy.load")
        content = file.read()
    try:
        return _value(_run(content))
    except Exception as error:  # damaged content leads anywhere but to a call
        raise ValueError(f"{path} holds more than lists, texts and numbers: {error}") from error


def _run(content: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list:
        at = max(i for i, item in enumerate(stack) if item is _MARK)
        items = stack[at + 1 :]
        del stack[at:]
        return items

    for opcode, arg, _ in pickletools.genops(io.BytesIO(content)):
        name = opcode.name
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            stack.append(arg)
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "GLOBAL":
            stack.append(_Name(arg))
        elif name == "STACK_GLOBAL":
            last = stack.pop()
            stack.append(_Name(f"{stack.pop()} {last}"))
        elif name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"):
            stack.append({"L": [], "D": {}, "T": ()}[name[6]])
        elif name in _TUPLES:
            items = tuple(stack[-_TUPLES[name] :])
            del stack[-_TUPLES[name] :]
            stack.append(items)
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "APPENDS":
            items = since_mark()
            stack[-1].extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "SETITEMS":
            items = since_mark()
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[arg] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[arg])
        elif name == "REDUCE":
            args = stack.pop()
            stack.append(_Made(str(stack.pop()), args))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state = state
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"opcode {name}")
    raise ValueError("the end is missing")


def _value(found: Any) -> Any:
    """Plain values of what was found."""
    if isinstance(found, _Made):
        return _made(found)
    if isinstance(found, _Name):
        raise ValueError(f"a reference to {found}")
    if isinstance(found, list | tuple):
        return [_value(item) for item in found]
    if isinstance(found, dict):
        return {_value(key): _value(value) for key, value in found.items()}
    return found


def _made(found: _Made) -> Any:
    module, _, name = found.name.partition(" ")
    if (module, name) == ("_codecs", "encode") and found.args[1:] == ("latin1",):
        return found.args[0].encode("latin1")
    if module.partition(".")[0] == "numpy" and name == "_reconstruct":
        _, shape, dtype, fortran, data = found.state
        kind = dtype.args[0]
        if kind.startswith("O"):
            items = np.empty(len(data), object)
            items[:] = [_value(item) for item in data]
            return items.reshape(shape).tolist()
        order = "F" if fortran else "C"
        data = _value(data)
        data = data.encode("latin1") if isinstance(data, str) else data
        return np.frombuffer(data, _dtype(dtype)).reshape(shape, order=order)
    if module.partition(".")[0] == "numpy" and name == "scalar":
        dtype, data = found.args
        return np.frombuffer(_value(data), _dtype(dtype))[0].item()
    raise ValueError(f"a call of {found.name}")


def _dtype(found: _Made) -> np.dtype:
    """The dtype of a pickled one: its kind with the byte order of its state."""
    order = found.state[1] if found.state else "="
    dtype = np.dtype(found.args[0]).newbyteorder(order)
    if dtype.hasobject:
        raise ValueError(f"an array of {dtype}")
    return dtype

"""PLY files (Turk 1994, the Stanford polygon format), in text and in binary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mmjax.data.records import unusable

_TYPES = {
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "i2",
    "int16": "i2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
_LARGEST = 20_000_000  # vertices or faces; a damaged header may ask for any number


class _Element(NamedTuple):
    name: str
    rows: int
    fields: list[tuple[str, str, str | None]]  # name, type, type of the length of a list


def read_ply(content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Vertices f64[V, 3 or 6], with colours in [0, 1], and triangles i64[F, 3] or None.

    Raises:
      BadExample: of a view, for a file that is damaged or has no vertices.
    """
    end = content.find(b"end_header")
    newline = content.find(b"\n", end)
    if end < 0 or newline < 0:
        raise unusable("the header of the PLY file has no end")
    try:
        kind, elements = _header(content[:end].decode("ascii"))
        body = content[newline + 1 :]
        tables = _text(body, elements) if kind == "ascii" else _binary(body, elements, kind)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise unusable(f"the PLY file is damaged or cut off: {error}") from error
    if "vertex" not in tables:
        raise unusable("the PLY file has no element 'vertex'")
    (vertex,) = (e for e in elements if e.name == "vertex")
    names = [name for name, *_ in vertex.fields]
    lacking = [axis for axis in "xyz" if axis not in names]
    if lacking:
        raise unusable(f"the vertices of the PLY file have no {' and no '.join(lacking)}")
    colours = ["red", "green", "blue"]
    wanted = [*"xyz", *(colours if set(colours) <= set(names) else ())]
    points = np.array([[row[names.index(n)] for n in wanted] for row in tables["vertex"]], float)
    points = points.reshape(-1, len(wanted))
    types = {name: type_ for name, type_, _ in vertex.fields}
    if len(wanted) == 6 and types["red"] in ("uchar", "uint8"):
        points[:, 3:] /= 255
    if "face" not in tables:
        return points, None
    (face,) = (e for e in elements if e.name == "face")
    lists = [i for i, (_, _, length) in enumerate(face.fields) if length is not None]
    if not lists:
        raise unusable("the faces of the PLY file have no list of vertices")
    polygons = [row[lists[0]] for row in tables["face"]]
    faces = [(p[0], p[i], p[i + 1]) for p in polygons for i in range(1, len(p) - 1)]
    return points, np.array(faces, np.int64).reshape(-1, 3)


def _header(text: str) -> tuple[str, list[_Element]]:
    kind, elements = "", []
    for line in text.splitlines()[1:]:
        word, *cells = line.split() or ("comment",)
        if word == "format":
            kind = cells[0]
        elif word == "element":
            if not 0 <= int(cells[1]) <= _LARGEST:
                raise ValueError(f"{cells[1]} of {cells[0]}")
            elements.append(_Element(cells[0], int(cells[1]), []))
        elif word == "property" and cells[0] == "list":
            elements[-1].fields.append((cells[3], cells[2], cells[1]))
        elif word == "property":
            elements[-1].fields.append((cells[1], cells[0], None))
        elif word not in ("comment", "obj_info"):
            raise ValueError(f"{word[:20]!r} is no word of a header")
    if kind not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise ValueError(f"the format {kind!r} is unknown")
    for element in elements:
        if element.rows and not element.fields:  # rows of nothing, perhaps millions of them
            raise ValueError(f"the element {element.name[:20]!r} has no properties")
        for _, *types in element.fields:
            for name in types:
                if name is not None and name not in _TYPES:
                    raise ValueError(f"the type {name[:20]!r} is unknown")
    return kind, elements


def _text(body: bytes, elements: list[_Element]) -> dict[str, list[list[Any]]]:
    lines = iter(body.decode("ascii").splitlines())
    tables: dict[str, list[list[Any]]] = {}
    for element in elements:
        rows = tables.setdefault(element.name, [])
        for _ in range(element.rows):
            cells = iter(next(lines, "").split())
            row: list[Any] = []
            for _, _, length in element.fields:
                if length is None:
                    row.append(float(_next(cells, element)))
                else:
                    count = int(_next(cells, element))
                    row.append([int(_next(cells, element)) for _ in range(count)])
            rows.append(row)
    return tables


def _next(cells: Iterator[str], element: _Element) -> str:
    cell = next(cells, None)
    if cell is None:
        raise ValueError(f"a row of {element.name} is too short, or missing")
    return cell


def _binary(body: bytes, elements: list[_Element], kind: str) -> dict[str, Any]:
    order = "<" if kind == "binary_little_endian" else ">"
    tables: dict[str, Any] = {}
    place = 0
    for element in elements:
        if all(length is None for _, _, length in element.fields):
            # Numbered names: those of the file may repeat.
            row = np.dtype(
                [(f"{i}", order + _TYPES[t]) for i, (_, t, _) in enumerate(element.fields)]
            )
            tables[element.name] = np.frombuffer(body, row, element.rows, place).tolist()
            place += row.itemsize * element.rows
            continue
        rows = tables.setdefault(element.name, [])
        for _ in range(element.rows):
            values: list[Any] = []
            for _, type_, length in element.fields:
                count = 1
                if length is not None:
                    size = np.dtype(order + _TYPES[length])
                    count = int(np.frombuffer(body, size, 1, place)[0])
                    place += size.itemsize
                each = np.dtype(order + _TYPES[type_])
                found = np.frombuffer(body, each, count, place) if count else np.empty(0, each)
                place += each.itemsize * count
                values.append(found[0] if length is None else found.tolist())
            rows.append(values)
    return tables

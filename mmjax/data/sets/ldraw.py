"""LDraw parts: named point clouds at scale, from the Debian package ldraw-parts-free.

14,000 parts of a toy of plastic bricks, each a mesh with a name such as "Minifig Head with Standard
Grin Pattern", under CC BY 4.0 (whoever passes on what is made of them has to name their authors). A
part is a text file (https://www.ldraw.org/article/218.html) of triangles, quadrilaterals, and other
files in another place; `read_part` puts the triangles of all of them together.

The split is by the number of a part without what follows its digits (`3001p05` is a print on
`3001`): ``int(sha256(number).hexdigest(), 16) % 10 == 0`` is held out.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Literal

import numpy as np

from mmjax.data.formats.shapes import Shape
from mmjax.data.records import BadExample, Record, Source, SourceError

ROOT = "/usr/share/ldraw"
_DEEPEST = 30  # levels of files within files
_MOST = 2_000_000  # triangles of a part

Split = Literal["train", "test", "all"]


class LdrawSource(Source):
    """Parts with their meshes and names.

    ``source[i]`` is ``{'id', 'key', 'points': Shape, 'text': 'Brick 2 x 4', 'group': 'Brick'}``.
    Files that are moved, aliases or parts of parts (whose names start with ``~``, ``=``, ``_`` or
    ``|``) are left out.

    Args:
      path: of the library; it has the folders `parts` and `p`.
      split: 'train', 'test' or 'all'.

    Raises:
      SourceError: if there is no such library; the message says what to install.
    """

    modalities = ("points", "text")
    label_fields = ("group",)

    def __init__(self, *, path: str = ROOT, split: Split = "train"):
        if split not in ("train", "test", "all"):
            raise SourceError(f"ldraw: split is {split!r}; it can be 'train', 'test' or 'all'")
        folder = Path(path) / "parts"
        if not folder.is_dir():
            raise SourceError(
                f"there is no LDraw library at {path}: install the Debian package ldraw-parts-free "
                "(apt-get install ldraw-parts-free), or set path to a copy of its usr/share/ldraw"
            )
        self.path, self.split = str(path), split
        self._parts = [
            (row, *part)
            for row, part in enumerate(_named_parts(self.path))
            if split == "all" or _held_out(part[0]) == (split == "test")
        ]
        if not self._parts:
            raise SourceError(f"the LDraw library at {path} has no parts of the split {split!r}")
        self.id_limit = 1 + max(row for row, *_ in self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def id_of(self, index: int) -> int:
        return self._parts[index][0]

    def __getitem__(self, index: int) -> Record:
        row, name, title = self._parts[index]
        key = f"ldraw {name} ({title})"
        try:
            triangles = read_part(self.path, name)
        except (OSError, ValueError) as error:
            raise BadExample(key, "points", f"the part cannot be read: {error}") from error
        if not len(triangles):
            raise BadExample(key, "points", "the part has no triangles, so it has no surface")
        points = triangles.reshape(-1, 3)
        faces = np.arange(len(points)).reshape(-1, 3)
        return {
            "id": row,
            "key": key,
            "points": Shape(points, faces),
            "text": title,
            "group": title.split()[0],
        }

    def describe(self) -> str:
        return f"ldraw, {self.split}: {len(self):,} named parts at {self.path}"


def _held_out(name: str) -> bool:
    number = re.match(r"\w?\d+", name)
    family = number[0] if number else name
    return int(hashlib.sha256(family.encode()).hexdigest(), 16) % 10 == 0


@functools.cache
def _named_parts(path: str) -> tuple[tuple[str, str], ...]:
    """(file name, title) of every part that is one, in the order of their names."""
    found = []
    for file in sorted((Path(path) / "parts").glob("*.dat")):
        with open(file, encoding="utf-8", errors="replace") as lines:
            first = lines.readline().lstrip("\ufeff").strip()
        title = " ".join(first.removeprefix("0").split())
        if title and title[0] not in "~=_|":
            found.append((file.name, title))
    return tuple(found)


@functools.cache
def _files(path: str) -> dict[str, Path]:
    """Name as parts refer to files, in lower case with / -> file; earlier folders go first."""
    found: dict[str, Path] = {}
    for folder in ("parts", "p"):
        root = Path(path) / folder
        for file in root.rglob("*.dat"):
            found.setdefault(file.relative_to(root).as_posix().lower(), file)
    return found


def read_part(path: str, name: str) -> np.ndarray:
    """The triangles of a part and of all files in it, f64[T, 3, 3], in units of 0.4 mm; y is down.

    Raises:
      ValueError: for a line that is no part's, a file that is missing, and files within themselves.
    """
    return _triangles(path, name.lower(), 0)


@functools.lru_cache(maxsize=4096)
def _triangles(path: str, name: str, depth: int) -> np.ndarray:
    if depth > _DEEPEST:
        raise ValueError(f"{name}: files within files, more than {_DEEPEST} deep")
    if name not in _files(path):
        raise ValueError(f"the library has no file {name}")
    own: list[list[float]] = []
    placed: list[tuple[str, list[float]]] = []
    lines = _files(path)[name].read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        kind, *cells = line.split() or ("0",)
        try:
            if kind == "3":
                own.append(_numbers(cells[1:], 9))
            elif kind == "4":
                x = _numbers(cells[1:], 12)
                own += [x[:9], [*x[:3], *x[6:]]]
            elif kind == "1":
                inner = " ".join(cells[13:]).replace("\\", "/").lower()
                placed.append((inner, _numbers(cells[1:13], 12)))
            elif kind not in ("0", "2", "5"):
                raise ValueError(f"the line type {kind[:20]!r} is unknown")
        except ValueError as error:
            raise ValueError(f"{name} line {number}: {error}") from error
    parts = [
        _triangles(path, inner, depth + 1) @ np.array(x[3:]).reshape(3, 3).T + np.array(x[:3])
        for inner, x in placed
    ]
    parts.append(np.array(own, np.float64).reshape(-1, 3, 3))
    if sum(map(len, parts)) > _MOST:
        raise ValueError(f"{name} has more than {_MOST:,} triangles")
    return np.concatenate(parts)


def _numbers(cells: list[str], count: int) -> list[float]:
    if len(cells) != count:
        raise ValueError(f"{len(cells)} numbers where {count} are needed")
    return [float(cell) for cell in cells]

"""Molecules with their graph, their names and their classes: the graph-text set of the package.

568 small molecules (alcohols, amino acids, drugs, steroids, ...) of the collection that J. Pansanel
made for teaching, each with all atoms and bonds, places in space, its systematic name and one of 33
classes. Whose work it is: `assets/molecules/NOTICE`; how the file is made:
`tools/build_molecules.py`.

The splits are by families: molecules of one graph without stereochemistry, which is all that the
view `graph` shows (D- and L-alanine, all eight hexoses), and those that share a name. Let
``number`` be ``int(sha256(name).hexdigest(), 16)``, where ``name`` is the systematic name in lower
case that comes first in the family by the alphabet. A molecule is in `test` (117 molecules) if and
only if ``number % 5 == 0``, in `validation` (73) if ``number % 10 == 1``, and in `train` (378)
otherwise.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmjax.data.formats.graph_colours import colours
from mmjax.data.formats.molecules import NUMBERS, Molecule
from mmjax.data.records import Record, Source
from mmjax.data.sets.packaged import packaged
from mmjax.schema.bounds import Count

FILE = Path(__file__).resolve().parents[1] / "assets" / "molecules" / "molecules.json.xz"

Split = Literal["train", "validation", "test", "all"]


def part_of(family: str) -> str:
    """Which split the molecules of this family are in."""
    number = int(hashlib.sha256(family.encode()).hexdigest(), 16)
    return "test" if number % 5 == 0 else "validation" if number % 10 == 1 else "train"


def families(graphs: Sequence[str], names: Sequence[str]) -> list[str]:
    """The family of each molecule: all that are linked by a graph or by a name.

    Args:
      graphs: the key of each molecule's graph.
      names: its name in lower case.

    Returns:
      For each molecule, the first name of its family by the alphabet.
    """
    family = list(names)
    while True:
        first: dict[tuple[str, str], str] = {}
        for keys in zip(graphs, names, family, strict=True):
            for link in (("graph", keys[0]), ("name", keys[1])):
                first[link] = min(keys[2], first.get(link, keys[2]))
        linked = [
            min(first["graph", graph], first["name", name])
            for graph, name in zip(graphs, names, strict=True)
        ]
        if linked == family:
            return family
        family = linked


class MoleculesSource(Source):
    """Molecules: a graph, atoms in space, the systematic name.

    ``source[i]`` is::

        {'id': 17, 'key': 'molecule ethanol (alcohols)',
         'graph': Molecule,             # for the view `graph`
         'text': 'Ethanol',             # the systematic name
         'points': f32[9, 4],           # x, y, z in ångström and the atomic number of each atom
         'class': 'alcohols'}

    Two records with one name (isomers that the names do not tell apart) have one id.

    Args:
      split: 'train', 'validation', 'test' or 'all'.
      most_atoms: molecules of more atoms beside hydrogen are left out.

    Raises:
      ValueError: for another split.
    """

    modalities = ("graph", "text", "points")
    label_fields: tuple[str, ...] = ("class",)

    def __init__(self, *, split: Split = "train", most_atoms: Count = 64):
        if split not in ("train", "validation", "test", "all"):
            raise ValueError(
                f"molecules: split is {split!r}; it can be 'train', 'validation', 'test' or 'all'"
            )
        self.split, self.most_atoms = split, most_atoms
        first: dict[str, int] = {}
        self._rows: list[int] = []
        self._ids: list[int] = []
        for row, (one, family) in enumerate(zip(_table(), _families(), strict=True)):
            number = first.setdefault(one["name"].lower(), row)
            heavy = sum(symbol != "H" for symbol in one["atoms"].split())
            if heavy <= most_atoms and split in ("all", part_of(family)):
                self._rows.append(row)
                self._ids.append(number)
        if not self._rows:
            raise ValueError(f"molecules: none has at most most_atoms={most_atoms} heavy atoms")
        self.id_limit = len(_table())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        one = _table()[self._rows[index]]
        molecule = _molecule(self._rows[index])
        numbers = np.array(molecule.elements, np.float32)[:, None]
        assert molecule.places is not None
        return {
            "id": self._ids[index],
            "key": f"molecule {one['molecule']} ({one['class']})",
            "graph": molecule,
            "text": one["name"],
            "points": np.concatenate([molecule.places.astype(np.float32), numbers], axis=1),
            "class": one["class"],
        }

    def id_of(self, index: int) -> int:
        return self._ids[index]

    def label_values(self, field: str) -> list[Any]:
        if field != "class":
            return super().label_values(field)
        return [_table()[row]["class"] for row in self._rows]

    def families(self) -> list[str]:
        """The family of each row, which no two splits share."""
        return [_families()[row] for row in self._rows]

    def keep(self, rows: Sequence[int]) -> None:
        """Leaves all rows out but these, in this order."""
        self._rows = [self._rows[row] for row in rows]
        self._ids = [self._ids[row] for row in rows]

    def labels(self, field: str, language: str = "en") -> list[str]:
        """The names of all classes, for zero-shot classification."""
        if field != "class" or language != "en":
            raise ValueError(
                f"molecules: the classes of {field!r} in {language!r} are not named; those of "
                "'class' in 'en' are"
            )
        return sorted({one["class"] for one in _table()})

    def describe(self) -> str:
        return f"molecules, {self.split}: {len(self)} graphs with systematic names"


@functools.cache
def _table() -> list[dict[str, Any]]:
    file = packaged(FILE, "The molecules are", "build_molecules.py")
    table: list[dict[str, Any]] = json.loads(lzma.decompress(file.read_bytes()))
    return table


@functools.cache
def _molecule(row: int) -> Molecule:
    one = _table()[row]
    elements = [NUMBERS[symbol] for symbol in one["atoms"].split()]
    charges = [one["charges"].get(str(i), 0) for i in range(len(elements))]
    bonds = [tuple(one["bonds"][i : i + 3]) for i in range(0, len(one["bonds"]), 3)]
    places = np.array(one["places"], np.float64).reshape(-1, 3) / 100
    return Molecule(elements, charges, bonds, [0] * len(elements), places)


@functools.cache
def _families() -> list[str]:
    """The family of each row."""
    graphs = [colours(_molecule(row).graph()) for row in range(len(_table()))]
    return families(graphs, [one["name"].lower() for one in _table()])

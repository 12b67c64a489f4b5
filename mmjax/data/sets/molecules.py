"""Molecules with their graph, their names and their classes: the graph-text set of the package.

568 small molecules (alcohols, amino acids, drugs, steroids, ...) of the collection that J. Pansanel
made for teaching, each with all atoms and bonds, places in space, its systematic name and one of 33
classes. Whose work it is: `assets/molecules/NOTICE`; how the file is made:
`tools/build_molecules.py`.

A molecule is held out (split `test`) if and only if ``int(sha256(name).hexdigest(), 16) % 5 == 0``,
where ``name`` is its systematic name in lower case; molecules that share a name are on one side.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmjax.data.formats.molecules import NUMBERS, Molecule
from mmjax.data.records import Record, Source
from mmjax.data.sets.packaged import packaged

FILE = Path(__file__).resolve().parents[1] / "assets" / "molecules" / "molecules.json.xz"

Split = Literal["train", "test", "all"]


def is_held_out(name: str) -> bool:
    """Whether the molecule with this systematic name is in the split `test`."""
    return int(hashlib.sha256(name.lower().encode()).hexdigest(), 16) % 5 == 0


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
      split: 'train', 'test' or 'all'.
      most_atoms: molecules of more atoms beside hydrogen are left out.

    Raises:
      ValueError: for another split.
    """

    modalities = ("graph", "text", "points")
    label_fields = ("class",)

    def __init__(self, *, split: Split = "train", most_atoms: int = 64):
        if split not in ("train", "test", "all"):
            raise ValueError(f"molecules: split is {split!r}; it can be 'train', 'test' or 'all'")
        self.split, self.most_atoms = split, most_atoms
        first: dict[str, int] = {}
        self._rows: list[int] = []
        self._ids: list[int] = []
        for row, one in enumerate(_table()):
            number = first.setdefault(one["name"].lower(), row)
            heavy = sum(symbol != "H" for symbol in one["atoms"].split())
            side = split == "all" or is_held_out(one["name"]) == (split == "test")
            if heavy <= most_atoms and side:
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

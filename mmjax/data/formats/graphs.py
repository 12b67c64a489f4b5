"""Graphs and molecules from the bytes of JSON, CML and SDF files; own readers, without RDKit.

JSON, for graphs of any kind:

    {"nodes": [[3, 0], [5, 1]],        whole numbers from 0, the categories of each node, or []
     "features": [[0.1], [0.7]],       optional: numbers of each node
     "edges": [[0, 1], [1, 0, 2]],     from node, to node, kind (1 where it is left out)
     "directed": false}                optional; undirected edges are named once

Molecules, as CML (the Chemical Markup Language) or SDF and MOL (V2000): a node is an atom, with
three categories (`MOLECULE_CATEGORIES`): its atomic number, the number of hydrogens at it, and its
charge + 4. The kinds of edges are 1 single, 2 double, 3 triple, 4 aromatic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mmjax.data.records import unusable

ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
NUMBERS = {symbol: number for number, symbol in enumerate(ELEMENTS.split(), 1)}
MOLECULE_CATEGORIES = (119, 9, 9)  # atomic number, hydrogens, charge + 4
BONDS = {"1": 1, "S": 1, "2": 2, "D": 2, "3": 3, "T": 3, "4": 4, "A": 4, "1.5": 4}


@dataclass(frozen=True)
class Graph:
    """A graph.

    Attributes:
      nodes: i64[N, C], the categories of each node.
      features: f64[N, F], its numbers.
      edges: i64[E, 3], from node, to node, kind.
    """

    nodes: np.ndarray
    features: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True)
class Molecule:
    """Atoms and bonds.

    Attributes:
      elements: the atomic number of each atom.
      charges: of each atom.
      bonds: (atom, atom, kind).
      hydrogens: of each atom, beside those that are atoms themselves.
      places: f64[N, 3], in ångström, or None.
    """

    elements: list[int]
    charges: list[int]
    bonds: list[tuple[int, int, int]]
    hydrogens: list[int]
    places: np.ndarray | None = None

    def graph(self, hydrogens: bool = False) -> Graph:
        """As a graph; hydrogens are counted where they are, or are nodes of their own."""
        count = len(self.elements)
        counted = list(self.hydrogens)
        kept = list(range(count))
        if not hydrogens:
            partners: dict[int, list[int]] = {}
            for a, b, _ in self.bonds:
                partners.setdefault(a, []).append(b)
                partners.setdefault(b, []).append(a)
            heavy = [e != 1 for e in self.elements]
            # A hydrogen at one heavy atom goes; those of H2, H+ and bridges stay.
            gone = {
                i
                for i in range(count)
                if not heavy[i] and len(partners.get(i, ())) == 1 and heavy[partners[i][0]]
            }
            for i in gone:
                counted[partners[i][0]] += 1
            kept = [i for i in kept if i not in gone]
        new = {old: i for i, old in enumerate(kept)}
        nodes = [[self.elements[i], min(counted[i], 8), self.charges[i] + 4] for i in kept]
        edges = [
            (new[x], new[y], kind)
            for a, b, kind in self.bonds
            if a in new and b in new
            for x, y in ((a, b), (b, a))
        ]
        return Graph(
            np.array(nodes, np.int64).reshape(-1, 3),
            np.zeros((len(kept), 0)),
            np.array(edges, np.int64).reshape(-1, 3),
        )


def read_graph(value: Any, hydrogens: bool = False) -> Graph:
    """A graph from the bytes or the text of a file, from a dict like the JSON, or a `Molecule`.

    Raises:
      BadExample: of a view, for what is none of these, or is damaged.
    """
    if isinstance(value, Molecule):
        return value.graph(hydrogens)
    if isinstance(value, Mapping):
        return _json(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            value = bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            raise unusable(f"the file is no UTF-8 text ({error.reason})") from error
    if not isinstance(value, str):
        raise unusable(f"a graph should be the content of a file, not a {type(value).__name__}")
    start = value.lstrip("\ufeff \t\r\n")[:1]
    if start == "{":
        try:
            return _json(json.loads(value))
        except (ValueError, RecursionError) as error:
            raise unusable(f"the file is not JSON ({error})") from error
    return (read_cml(value) if start == "<" else read_sdf(value)).graph(hydrogens)


def _json(tree: Any) -> Graph:
    if not isinstance(tree, Mapping) or "nodes" not in tree or "edges" not in tree:
        raise unusable("a JSON graph is an object with 'nodes' and 'edges'")
    nodes = _table(tree, "nodes", np.int64)
    count = len(nodes)
    features = _table(tree, "features", np.float64) if "features" in tree else None
    features = np.zeros((count, 0)) if features is None else features
    if len(features) != count:
        raise unusable(f"there are 'features' of {len(features)} nodes, but {count} 'nodes'")
    if not np.isfinite(features).all():
        raise unusable("'features' holds NaN or infinite numbers")
    edges = tree["edges"]
    if not isinstance(edges, list | tuple | np.ndarray):
        raise unusable("'edges' should be a list")
    rows = []
    for i, edge in enumerate(edges):
        whole = isinstance(edge, list | tuple | np.ndarray) and len(edge) in (2, 3)
        if not whole or not all(_is_whole(n) for n in edge):
            raise unusable(
                f"edge {i} should be [node, node] or [node, node, kind], not {edge!r:.60}"
            )
        a, b, kind = (*map(int, edge), 1)[:3]
        if not (0 <= a < count and 0 <= b < count):
            raise unusable(f"edge {i} names a node that is none of the {count}")
        rows.append((a, b, kind))
        if not tree.get("directed", False):
            rows.append((b, a, kind))
    return Graph(nodes, features, np.array(rows, np.int64).reshape(-1, 3))


def _is_whole(value: Any) -> bool:
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and abs(value) < 2**31
    )


def _table(tree: Mapping, name: str, dtype: type) -> np.ndarray:
    rows = tree[name]
    try:
        if dtype is np.int64 and not all(_is_whole(n) for row in rows for n in row):
            raise ValueError("they are not all whole numbers")
        return np.array(rows, dtype).reshape(len(rows), -1 if len(rows) else 0)
    except (TypeError, ValueError, OverflowError) as error:
        raise unusable(
            f"{name!r} should be a list with a list of numbers for each node ({error})"
        ) from error


def read_cml(text: str) -> Molecule:
    """The first molecule of a CML file; raises BadExample of a view."""
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise unusable(f"the file is no XML that can be read ({error})") from error

    def named(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
        return [e for e in element.iter() if e.tag.rpartition("}")[2] == name]

    molecules = named(root, "molecule")
    if not molecules:
        raise unusable("the XML holds no CML molecule")
    ids: dict[str, int] = {}
    elements, charges, hydrogens, places = [], [], [], []
    for atom in named(molecules[0], "atom"):
        name = atom.get("id", "")
        if not name or name in ids:
            raise unusable(f"atom {len(ids)} has the id {name!r}, which is empty or taken")
        ids[name] = len(ids)
        elements.append(_element(atom.get("elementType", "")))
        charges.append(_charge(atom.get("formalCharge", "0")))
        given = atom.get("hydrogenCount", "0")
        hydrogens.append(int(given) if given.isdecimal() and len(given) < 3 else 0)
        places.append([atom.get(axis) for axis in ("x3", "y3", "z3")])
    bonds = []
    for i, bond in enumerate(named(molecules[0], "bond")):
        ends = bond.get("atomRefs2", "").split()
        if len(ends) != 2 or not set(ends) <= ids.keys() or ends[0] == ends[1]:
            raise unusable(f"bond {i} joins {ends}, which are not two atoms of the molecule")
        order = bond.get("order", "1")
        if order not in BONDS:
            raise unusable(f"bond {i} has the order {order[:20]!r}; known are {', '.join(BONDS)}")
        bonds.append((ids[ends[0]], ids[ends[1]], BONDS[order]))
    if not elements:
        raise unusable("the molecule has no atoms")
    # A count that the file states includes hydrogens that are atoms themselves.
    for a, b, _ in bonds:
        for one, other in ((a, b), (b, a)):
            if elements[other] == 1 and hydrogens[one]:
                hydrogens[one] -= 1
    return Molecule(elements, charges, bonds, hydrogens, _places(places))


def _element(symbol: str) -> int:
    if symbol not in NUMBERS:
        raise unusable(f"{symbol[:20]!r} is no chemical element")
    return NUMBERS[symbol]


def _charge(text: str) -> int:
    try:
        charge = int(text)
    except ValueError as error:
        raise unusable(f"{text[:20]!r} is no charge of an atom") from error
    if not -4 <= charge <= 4:
        raise unusable(f"an atom has the charge {charge}; -4 to 4 are known")
    return charge


def _places(rows: list) -> np.ndarray | None:
    try:
        places = np.array(rows, np.float64)  # None, where the file has none, becomes NaN
    except (TypeError, ValueError) as error:
        raise unusable(f"the coordinates of an atom are no numbers ({error})") from error
    return places if np.isfinite(places).all() else None


def read_sdf(text: str) -> Molecule:
    """The first molecule of an SDF or MOL file, V2000; raises BadExample of a view."""
    lines = text.splitlines()
    counts = lines[3] if len(lines) > 3 else ""
    if "V3000" in counts:
        raise unusable("the file is SDF V3000; only V2000 is read, so convert it")
    try:
        atoms, bonds = int(counts[:3]), int(counts[3:6])
        if atoms < 1 or bonds < 0 or len(lines) < 4 + atoms + bonds:
            raise ValueError(f"{atoms} atoms and {bonds} bonds in {len(lines)} lines")
    except ValueError as error:
        raise unusable(
            f"the file is no graph that can be read (JSON, CML or SDF V2000): {error}"
        ) from error
    elements, charges, places, joined = [], [], [], []
    for number, line in enumerate(lines[4 : 4 + atoms], 5):
        try:
            places.append([float(line[i : i + 10]) for i in (0, 10, 20)])
            code = int(line[36:39] or 0)
        except ValueError as error:
            raise unusable(f"line {number} is no atom of an SDF file ({error})") from error
        elements.append(_element(line[31:34].strip()))
        charges.append({1: 3, 2: 2, 3: 1, 5: -1, 6: -2, 7: -3}.get(code, 0))
    for number, line in enumerate(lines[4 + atoms : 4 + atoms + bonds], 5 + atoms):
        try:
            a, b, kind = (int(line[i : i + 3]) for i in (0, 3, 6))
        except ValueError as error:
            raise unusable(f"line {number} is no bond of an SDF file ({error})") from error
        if not (1 <= a <= atoms and 1 <= b <= atoms) or a == b or kind not in (1, 2, 3, 4):
            raise unusable(f"line {number}: no bond of kind {kind} joins atoms {a} and {b}")
        joined.append((a - 1, b - 1, kind))
    for line in lines[4 + atoms + bonds :]:
        if line.startswith("M  END"):
            break
        if line.startswith("M  CHG"):
            cells = line[6:].split()
            try:
                pairs = [int(cell) for cell in cells[1:]]
                for atom, charge in zip(pairs[::2], pairs[1::2], strict=True):
                    if not 1 <= atom <= atoms:
                        raise ValueError(f"atom {atom}")
                    charges[atom - 1] = _charge(str(charge))
            except ValueError as error:
                if type(error) is not ValueError:
                    raise
                raise unusable(f"the charges {line[:60]!r} cannot be read ({error})") from error
    return Molecule(elements, charges, joined, [0] * atoms, np.array(places))

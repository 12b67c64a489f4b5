"""Molecules from CML, SDF, MOL and SMILES.

A molecule as a graph has atoms as nodes, with three categories (`MOLECULE_CATEGORIES`): its atomic
number, the number of hydrogens at it, and its charge + 4. The kinds of edges are 1 single, 2
double, 3 triple, 4 aromatic.

CML, the Chemical Markup Language, is read here; SDF and MOL (V2000 and V3000) and SMILES by RDKit,
of the extra `graphs`. Bonds of SMILES that are written as aromatic become single and double.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mmjax import extras
from mmjax.data.formats.graphs import Graph, from_json, from_tree
from mmjax.data.records import BadExample, unusable

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

    Text that begins with { is JSON, with < CML; of others, several lines are SDF or MOL, and one is
    SMILES.

    Args:
      value: any of these.
      hydrogens: hydrogens that a molecule has as atoms are nodes; otherwise they are counted.

    Raises:
      BadExample: of a view, for what is none of these, or is damaged.
      MissingExtra: for SDF, MOL and SMILES without RDKit.
    """
    if isinstance(value, Molecule):
        return value.graph(hydrogens)
    if isinstance(value, Mapping):
        return from_tree(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            value = bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            raise unusable(f"the file is no UTF-8 text ({error.reason})") from error
    if not isinstance(value, str):
        raise unusable(f"a graph should be the content of a file, not a {type(value).__name__}")
    start = value.lstrip("\ufeff \t\r\n")[:1]
    if not start:
        raise unusable("it is empty: no graph that can be read (JSON, CML, SDF, MOL, SMILES)")
    if start == "{":
        return from_json(value)
    return (read_cml(value) if start == "<" else read_rdkit(value)).graph(hydrogens)


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


def _places(rows: list[Any]) -> np.ndarray | None:
    try:
        places = np.array(rows, np.float64)  # None, where the file has none, becomes NaN
    except (TypeError, ValueError) as error:
        raise unusable(f"the coordinates of an atom are no numbers ({error})") from error
    return places if np.isfinite(places).all() else None


def read_rdkit(text: str) -> Molecule:
    """The first molecule of an SDF or MOL file, or a SMILES; raises BadExample of a view.

    Hydrogens that a file leaves out are counted by the valence of their atoms.

    Raises:
      MissingExtra: without RDKit.
    """
    is_file = "\n" in text.strip()
    kind = "SDF or MOL file" if is_file else "SMILES"
    extras.needs("rdkit", "graphs", f"a molecule as {kind}")
    from rdkit import Chem, rdBase  # an extra

    with rdBase.BlockLogs():
        try:
            if is_file:
                found = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
            else:
                found = Chem.MolFromSmiles(text.strip())
            if found is None or not found.GetNumAtoms():
                raise ValueError("it has no atoms" if found is not None else "RDKit refuses it")
            if is_file:
                found.UpdatePropertyCache(strict=False)
            else:
                Chem.Kekulize(found, clearAromaticFlags=True)
            return _of_rdkit(found)
        except Exception as error:  # the library raises what its C++ raises
            if isinstance(error, BadExample):
                raise
            said = " ".join(str(error).split())
            raise unusable(f"{text[:40]!r} is no {kind} that can be read: {said:.200}") from error


def _of_rdkit(found: Any) -> Molecule:
    atoms, bonds = list(found.GetAtoms()), []
    for bond in found.GetBonds():
        order = bond.GetBondTypeAsDouble()
        if order not in (1, 1.5, 2, 3):
            raise unusable(f"a bond is of the type {bond.GetBondType()}, which no edge has")
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        bonds.append((*ends, 4 if order == 1.5 else int(order)))
    places = None
    if found.GetNumConformers():
        places = found.GetConformer().GetPositions()
    return Molecule(
        [_element(atom.GetSymbol()) for atom in atoms],
        [_charge(str(atom.GetFormalCharge())) for atom in atoms],
        bonds,
        [atom.GetTotalNumHs() for atom in atoms],
        places,
    )

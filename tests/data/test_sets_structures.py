"""Furniture, molecules, LDraw parts and regions of a head: whole, split by rule, or a sentence."""

import hashlib
import io
import pickle

import numpy as np
import pytest
from PIL import Image
from third_party import needs

from mmjax.data import SOURCES, BadExample, SourceError, sets
from mmjax.data.formats.graph_colours import colours
from mmjax.data.formats.graphs import Graph
from mmjax.data.sets import (
    FurnitureSource,
    LdrawSource,
    MoleculeClasses,
    MoleculesSource,
    MricronSource,
)
from mmjax.data.sets.ldraw import read_part
from mmjax.data.sets.molecules import families, part_of
from mmjax.data.sets.mricron import region_name
from mmjax.data.views import GraphView, ImageView, PointsView, VolumeView


def test_recipes_can_name_them():
    assert {getattr(sets, name) for name in sets.__all__} <= set(SOURCES.values())


# --- furniture ----------------------------------------------------------------------------------


@pytest.mark.smoke
def test_every_piece_of_furniture_is_whole():
    source = FurnitureSource(split="all")
    assert len(source) == 175
    image, points = ImageView(size=64), PointsView(count=512, channels=6)
    colourful = 0
    for i, record in enumerate(source):
        assert record["id"] == i
        assert record["text"][0].strip()
        assert Image.open(io.BytesIO(record["image"])).size == (64, 64)
        assert image(record["image"], None, False).std() > 0.01
        cloud = record["points"]
        assert cloud.shape == (512, 6)
        assert np.isfinite(cloud).all()
        assert abs(np.linalg.norm(cloud[:, :3], axis=1).max() - 1) < 2e-3  # of half precision
        assert cloud[:, 3:].min() >= 0
        assert cloud[:, 3:].max() <= 1
        colourful += len(np.unique(cloud[:, 3:].round(2), axis=0)) > 1
        assert np.isfinite(points(cloud, None, False)).all()
    assert colourful > 100
    assert len(source.labels("category")) == 11
    assert {record["category"] for record in source} == set(source.labels("category"))


def test_known_pieces():
    by_name = {record["piece"]: record for record in FurnitureSource(split="all")}
    chair = by_name["oakChair"]
    assert chair["text"] == ["Oak chair"]
    german = {r["piece"]: r for r in FurnitureSource(split="all", languages=("de", "en"))}
    assert german["oakChair"]["text"] == ["Stuhl aus Eichenholz", "Oak chair"]
    # A ruler is long and flat.
    ruler = by_name["ruler"]["points"]
    extent = np.sort(np.ptp(ruler[:, :3], axis=0))
    assert extent[2] > 5 * extent[0]


PARTS = ("train", "validation", "test")


def assert_each_row_is_in_one_split(splits, every):
    """The splits have all rows of `every`, each once."""
    rows = [record["key"] for split in splits.values() for record in split]
    assert sorted(rows) == sorted(record["key"] for record in every)
    assert len(set(rows)) == len(rows)


def test_furniture_is_split_by_its_rule():
    splits, every = {s: FurnitureSource(split=s) for s in PARTS}, FurnitureSource(split="all")
    assert_each_row_is_in_one_split(splits, every)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 111,
        "validation": 28,
        "test": 36,
    }
    for name, split in splits.items():
        for record in split:
            number = int(hashlib.sha256(record["piece"].encode()).hexdigest(), 16)
            assert (number % 4 == 0, number % 8 == 1) == (name == "test", name == "validation")
    test = splits["test"]
    again = pickle.loads(pickle.dumps(test))
    assert again[3]["text"] == test[3]["text"]
    with pytest.raises(ValueError, match="furniture: split is 'val'"):
        FurnitureSource(split="val")
    with pytest.raises(ValueError, match="there are no names in 'xx'; there are in en"):
        FurnitureSource(languages=("xx",))


# --- molecules ----------------------------------------------------------------------------------

# Atoms beside hydrogen, bonds between them, and rings, of molecules that everyone knows.
KNOWN = {
    "Benzene": (6, 6, 1),
    "Ethanol": (3, 2, 0),
    "Naphthalene": (10, 11, 2),
    "Methane": (1, 0, 0),
    "Acetone": (4, 3, 0),
    "Cyclohexane": (6, 6, 1),
}


@pytest.mark.smoke
def test_every_molecule_is_whole():
    source = MoleculesSource(split="all")
    assert len(source) == 568
    view, found = GraphView(nodes=64), set()
    for record in source:
        molecule = record["graph"]
        x = view(molecule, None, False)
        count = int(np.trace(x[:, 3:]))
        links = x[:count, 3 : 3 + count] * (1 - np.eye(count))
        np.testing.assert_array_equal(links, links.T)
        if len(molecule.elements) > 1 and count > 1:
            assert (links.sum(axis=1) > 0).all(), record["key"]
        # Carbon has four bonds, whatever its neighbours: those of the graph and its hydrogens.
        carbon = (x[:count, 0] == 6) & (x[:count, 2] == 4)
        valence = (links.sum(axis=1) + x[:count, 1])[carbon]
        assert len(valence) < 3 or (valence == 4).mean() > 0.9, record["key"]
        if record["text"] in KNOWN:
            bonds = int((links > 0).sum()) // 2
            assert (count, bonds, bonds - count + 1) == KNOWN[record["text"]], record["text"]
            found.add(record["text"])
        assert record["points"].shape == (len(molecule.elements), 4)
        # No two atoms are in one place: bonds are 0.7 ångström or longer.
        places = record["points"][:, :3]
        gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
        assert (gaps + 9 * np.eye(len(gaps))).min() > 0.6, record["key"]
    assert len(found) >= 4
    assert len(source.labels("class")) == 33


def test_molecules_of_adapted_and_of_unseen_classes_are_in_no_other_split():
    kinds, keys, families_of = {}, {}, {}
    for split in ("pretrain", "train", "adapted", "unseen"):
        source = MoleculeClasses(split=split)
        assert source.describe().startswith(f"molecule_classes, {split}: {len(source)} ")
        rows = list(source)
        assert [source.id_of(i) for i in range(len(rows))] == [row["id"] for row in rows]
        kinds[split] = {(row["label"], row["class"]) for row in rows}
        keys[split] = [row["key"] for row in rows]
        families_of[split] = source.families()
        assert source.label_values("class") == [row["class"] for row in rows]
        if split != "pretrain":
            assert len(set(families_of[split])) == len(rows)  # one molecule of each
    assert kinds["train"] == kinds["adapted"]
    assert [{n for n, _ in kinds[s]} for s in ("adapted", "unseen")] == [{0, 1, 2, 3}, {4, 5, 6, 7}]
    assert min(n for n, _ in kinds["pretrain"]) == 8
    names = [{name for _, name in kinds[s]} for s in ("pretrain", "adapted", "unseen")]
    assert sum(map(len, names)) == len(set().union(*names))
    assert not set(families_of["train"]) & set(families_of["adapted"])
    labels = [MoleculeClasses(split="train")[i]["label"] for i in range(len(keys["train"]))]
    assert sorted(labels) == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    assert {row["label"] for row in MoleculeClasses(split="unseen", seed=1)} == {4, 5, 6, 7}
    other = {row["class"] for row in MoleculeClasses(split="unseen", seed=1)}
    assert other != {name for _, name in kinds["unseen"]}
    with pytest.raises(ValueError, match="split is 'test'; it can be 'pretrain'"):
        MoleculeClasses(split="test")
    with pytest.raises(ValueError, match="classes have 16 families of molecules within most_atoms"):
        MoleculeClasses(most_atoms=4)


def test_molecules_are_split_by_their_rule():
    splits, every = {s: MoleculesSource(split=s) for s in PARTS}, MoleculesSource(split="all")
    assert_each_row_is_in_one_split(splits, every)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 378,
        "validation": 73,
        "test": 117,
    }
    for seen in (
        {name: {r["text"].lower() for r in split} for name, split in splits.items()},
        {name: {r["id"] for r in split} for name, split in splits.items()},
        {name: {colours(r["graph"].graph()) for r in split} for name, split in splits.items()},
    ):
        assert not seen["train"] & seen["test"]
        assert not seen["train"] & seen["validation"]
        assert not seen["validation"] & seen["test"]
    # D- and L-cysteine, of which one was once trained on and the other tested.
    cysteine = {part_of("(2r)-2-amino-3-sulfanylpropanoic acid")}
    found = [n for n, s in splits.items() for r in s if "2-Amino-3-sulfanylprop" in r["text"]]
    assert len(found) == 2
    assert set(found) == cysteine
    assert len({r["id"] for r in every}) == len({r["text"].lower() for r in every}) == 567
    assert len(MoleculesSource(split="all", most_atoms=32)) == 567
    with pytest.raises(ValueError, match="molecules: split is 'val'"):
        MoleculesSource(split="val")
    with pytest.raises(ValueError, match="none has at most most_atoms=0"):
        MoleculesSource(most_atoms=0)


def test_no_molecule_of_another_split_has_the_same_formula_without_stereochemistry():
    """RDKit's canonical SMILES, which `colours` does not know of, tells the splits apart, too."""
    chem = needs("rdkit.Chem")
    kinds = {1: chem.BondType.SINGLE, 2: chem.BondType.DOUBLE, 3: chem.BondType.TRIPLE}
    seen = {}
    for split in PARTS:
        for record in MoleculesSource(split=split):
            molecule, built = record["graph"], chem.RWMol()
            for element, charge in zip(molecule.elements, molecule.charges, strict=True):
                atom = chem.Atom(element)
                atom.SetFormalCharge(charge)
                built.AddAtom(atom)
            for a, b, kind in molecule.bonds:
                built.AddBond(a, b, kinds[kind])
            # Five nitro groups are written with five bonds at the nitrogen.
            chem.SanitizeMol(built, catchErrors=True)
            smiles = chem.MolToSmiles(built, isomericSmiles=False)
            seen.setdefault(smiles, set()).add(split)
    assert len(seen) == 514
    assert not [smiles for smiles, splits in seen.items() if len(splits) > 1]


def test_a_family_is_linked_by_graphs_and_by_names():
    graphs, names = ["g", "g", "h", "h", "i"], ["d", "c", "c", "b", "a"]
    assert families(graphs, names) == ["b", "b", "b", "b", "a"]


def test_a_graph_has_one_key_in_every_order_of_its_nodes():
    view = np.random.default_rng(0)
    for record in list(MoleculesSource(split="test"))[::9]:
        graph = record["graph"].graph()
        order = view.permutation(len(graph.nodes))
        place = np.argsort(order)
        edges = graph.edges.copy()
        edges[:, :2] = place[edges[:, :2]]
        mixed = Graph(graph.nodes[order], graph.features[order], edges[::-1])
        assert colours(mixed) == colours(graph)


def test_keys_tell_links_and_atoms_apart_but_not_where_double_bonds_are_written():
    def key(nodes, *bonds):
        edges = [(x, y, k) for a, b, k in bonds for x, y in ((a, b), (b, a))]
        nodes = np.array([[n, 1, 4] for n in nodes])
        return colours(Graph(nodes, np.zeros((len(nodes), 0)), np.array(edges)))

    chain = key([6, 6, 6, 6], (0, 1, 1), (1, 2, 1), (2, 3, 1))
    assert key([6, 6, 6, 6], (0, 1, 1), (0, 2, 1), (0, 3, 1)) != chain
    assert key([6, 6, 6, 8], (0, 1, 1), (1, 2, 1), (2, 3, 1)) != chain
    assert key([6, 6, 6, 6], (0, 1, 2), (1, 2, 1), (2, 3, 2)) == chain


# --- what a system package has ------------------------------------------------------------------


@pytest.fixture
def library(tmp_path):
    """An LDraw library of a cube of quadrilaterals, a tower of two, and files that are no parts."""
    (tmp_path / "parts" / "s").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    sides = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    lines = [f"4 16 {' '.join(str(n) for c in s for n in corners[c])}" for s in sides]
    (tmp_path / "p" / "box.dat").write_text("0 Box\n" + "\n".join(lines))
    place = "1 16 0 {} 0 1 0 0 0 1 0 0 0 1 {}"
    (tmp_path / "parts" / "s" / "1s1.dat").write_text("0 ~Half\n" + place.format(0, "BOX.dat"))
    tower = [
        place.format(0, "s\\1s1.dat"),
        "1 4 0 9 0 0 0 2 0 3 0 2 0 0 box.dat",
        "2 24 0 0 0 1 1 1",
    ]
    (tmp_path / "parts" / "1.dat").write_text("0 Tower  2 x  3\n0 // note\n" + "\n".join(tower))
    (tmp_path / "parts" / "2.dat").write_text("0 ~Moved to 1\n")
    (tmp_path / "parts" / "3.dat").write_text("0 Empty part\n")
    (tmp_path / "parts" / "4.dat").write_text("0 Lost part\n" + place.format(0, "gone.dat"))
    (tmp_path / "parts" / "5.dat").write_text("0 Endless part\n" + place.format(0, "5.dat"))
    (tmp_path / "parts" / "6.dat").write_text("0 Torn part\n3 16 0 0 0 1 1\n")
    return tmp_path


def test_ldraw_parts_are_put_together(library):
    triangles = read_part(str(library), "1.dat")
    assert triangles.shape == (24, 3, 3)
    np.testing.assert_array_equal(triangles[:12].reshape(-1, 3).min(axis=0), [-1, -1, -1])
    # x' = 2 z, y' = 9 + 3 y, z' = 2 x.
    second = triangles[12:].reshape(-1, 3)
    np.testing.assert_array_equal([second.min(0), second.max(0)], [[-2, 6, -2], [2, 12, 2]])
    source = LdrawSource(path=str(library), split="all")
    assert [source[0]["text"], source[0]["group"]] == ["Tower 2 x 3", "Tower"]
    assert PointsView(count=32)(source[0]["points"], None, False).shape == (32, 3)
    reasons = {1: "no triangles", 2: "no file gone.dat", 3: "within files", 4: "6.dat line 2: 5"}
    for index, reason in reasons.items():
        with pytest.raises(BadExample, match=reason) as caught:
            source[index]
        assert caught.value.field == "points"
    both = [LdrawSource(path=str(library), split=s) for s in ("train",)]
    assert sum(map(len, both)) <= len(source)


@pytest.mark.parametrize(
    ("source", "package"), [(LdrawSource, "ldraw-parts-free"), (MricronSource, "mricron-data")]
)
def test_a_missing_package_says_what_to_install(source, package, tmp_path):
    with pytest.raises(SourceError, match=rf"install the Debian package {package} \(apt-get"):
        source(path=str(tmp_path))


def test_regions_of_a_head(tmp_path):
    nibabel = needs("nibabel")
    head = np.random.default_rng(0).normal(size=(20, 24, 22)).astype(np.float32)
    atlas = np.zeros(head.shape, np.int16)
    atlas[3:6, 10:13, 10:13], atlas[15, 20, 2] = 1, 2
    for name, array in (("ch2", head), ("aal", atlas)):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}.nii.gz")
    (tmp_path / "aal.nii.txt").write_text("1 Frontal_Sup_L 2101\n2 Vermis_3 9110\n")
    source = MricronSource(path=str(tmp_path), side=8)
    assert [r["text"] for r in source] == ["left frontal superior", "vermis 3"]
    cube = source[0]["volume"]
    np.testing.assert_array_equal(cube, head.transpose(2, 1, 0)[7:15, 7:15, 0:8])
    assert source[0]["side"] == "left"
    assert "side" not in source[1]
    edge = source[1]["volume"]  # reaches beyond the image
    assert edge.shape == (8, 8, 8)
    assert not edge[:2].any()
    assert VolumeView(size=(4, 4, 4))(cube, None, False).shape == (4, 4, 4, 1)
    assert region_name("Temporal_Pole_Mid_R") == "right temporal pole middle"

"""Graphs and molecules: files say what their formats say, and rows of the array what they say."""

import json

import numpy as np
import pytest
from third_party import needs

from mmjax.data import BadExample
from mmjax.data.formats.molecules import (
    MOLECULE_CATEGORIES,
    NUMBERS,
    read_cml,
    read_graph,
    read_rdkit,
)
from mmjax.data.views import GraphView

# Acetate: CH3-C(=O)-O(-), hydrogens as atoms.
ACETATE = """<?xml version="1.0"?>
<molecule xmlns="http://www.xml-cml.org/schema" id="acetate">
  <name convention="IUPAC">Acetate</name>
  <atomArray>
    <atom id="a1" elementType="C" x3="0.0" y3="0" z3="0"/>
    <atom id="a2" elementType="C" x3="1.5" y3="0" z3="0"/>
    <atom id="a3" elementType="O" x3="2.1" y3="1" z3="0"/>
    <atom id="a4" elementType="O" x3="2.1" y3="-1" z3="0" formalCharge="-1"/>
    <atom id="a5" elementType="H" x3="-0.4" y3="1" z3="0"/>
    <atom id="a6" elementType="H" x3="-0.4" y3="-0.5" z3="0.9"/>
    <atom id="a7" elementType="H" x3="-0.4" y3="-0.5" z3="-0.9"/>
  </atomArray>
  <bondArray>
    <bond atomRefs2="a1 a2" order="1"/><bond atomRefs2="a2 a3" order="2"/>
    <bond atomRefs2="a2 a4" order="S"/><bond atomRefs2="a1 a5" order="1"/>
    <bond atomRefs2="a1 a6" order="1"/><bond atomRefs2="a1 a7" order="1"/>
  </bondArray>
</molecule>"""
NODES = [[6, 3, 4], [6, 0, 4], [8, 0, 4], [8, 0, 3]]
LINKS = [[1, 1, 0, 0], [1, 1, 2, 1], [0, 2, 1, 0], [0, 1, 0, 1]]  # with the diagonal


def sdf(charge_line="M  CHG  1   4  -1"):
    atoms = [("C", 0, 0), ("C", 1.5, 0), ("O", 2.1, 1), ("O", 2.1, -1)]
    rows = [
        f"{x:10.4f}{y:10.4f}{0:10.4f} {s:<3} 0  0  0  0  0  0  0  0  0  0  0  0"
        for s, x, y in atoms
    ]
    bonds = ["  1  2  1  0", "  2  3  2  0", "  2  4  1  0"]
    head = ["acetate", "  test", "", "  4  3  0  0  0  0  0  0  0  0999 V2000"]
    return "\n".join([*head, *rows, *bonds, charge_line, "M  END", "$$$$", ""])


def test_cml_with_hydrogens_counted_and_as_atoms():
    x = GraphView(nodes=5)(ACETATE.encode(), None, False)
    assert x.shape == (5, 3 + 5)
    assert x[:4, :3].tolist() == NODES
    assert x[:4, 3:7].tolist() == LINKS
    assert not x[4].any()
    whole = GraphView(nodes=7, hydrogens=True)(ACETATE, None, False)
    assert whole[:, 0].tolist() == [6, 6, 8, 8, 1, 1, 1]
    assert not whole[:, 1].any()
    np.testing.assert_array_equal(read_cml(ACETATE).places[1], [1.5, 0, 0])


def test_sdf_is_the_same_molecule():
    needs("rdkit")
    graph = read_graph(sdf())
    assert graph.nodes.tolist() == NODES  # hydrogens that are not in the file are counted
    x = GraphView(nodes=4)(sdf().encode(), None, False)
    assert x[:, 3:].tolist() == LINKS
    assert read_rdkit(sdf()).places[2].tolist() == [2.1, 1, 0]
    whole = (
        sdf()
        .replace("  4  3  0", "  5  4  0")
        .replace("  1  2  1  0", "  1  5  1  0\n  1  2  1  0")
    )
    row = f"{-0.4:10.4f}{1:10.4f}{0:10.4f} H   0  0  0  0  0  0  0  0  0  0  0  0\n  1  5  1  0"
    whole = whole.replace("  1  5  1  0", row)
    assert read_graph(whole).nodes.tolist() == NODES
    assert read_graph(whole, hydrogens=True).nodes.tolist() == [[6, 2, 4], *NODES[1:], [1, 0, 4]]


def test_version_3000_is_the_same_molecule():
    chem = needs("rdkit.Chem")
    block = chem.MolToV3KMolBlock(chem.MolFromSmiles("CC(=O)[O-]"))
    assert read_graph(block).nodes.tolist() == NODES


def test_smiles():
    needs("rdkit")
    x = GraphView(nodes=4)("CC(=O)[O-] acetate\n", None, False)
    assert x[:, :3].tolist() == NODES
    assert x[:, 3:].tolist() == LINKS
    benzene = read_graph("c1ccccc1")
    assert benzene.nodes.tolist() == [[6, 1, 4]] * 6
    assert sorted(benzene.edges[:, 2].tolist()) == [1] * 6 + [2] * 6


def test_counted_hydrogens_of_cml_are_not_counted_twice():
    text = ACETATE.replace('id="a1" elementType="C"', 'id="a1" elementType="C" hydrogenCount="3"')
    assert read_graph(text).nodes.tolist() == NODES
    short = """<cml><molecule><atomArray><atom id="a" elementType="C" hydrogenCount="4"/>
               </atomArray></molecule></cml>"""
    assert read_graph(short).nodes.tolist() == [[6, 4, 4]]


def test_hydrogen_alone_stays():
    h2 = """<molecule><atom id="a" elementType="H"/><atom id="b" elementType="H"/>
            <bond atomRefs2="a b" order="1"/></molecule>"""
    assert read_graph(h2).nodes.tolist() == [[1, 0, 4], [1, 0, 4]]


def test_json_graphs():
    tree = {"nodes": [[3], [0], [1]], "features": [[0.5], [1], [2]], "edges": [[0, 1, 2], [1, 2]]}
    view = GraphView(nodes=4, categories=(4,), features=1, edges=2)
    x = view(json.dumps(tree).encode(), None, False)
    assert x.shape == (4, 1 + 1 + 4)
    assert x[:3, :2].tolist() == [[3, 0.5], [0, 1], [1, 2]]
    assert x[:3, 2:5].tolist() == [[1, 2, 0], [2, 1, 1], [0, 1, 1]]
    np.testing.assert_array_equal(view(tree, None, False), x)
    # Row i holds the edges that lead to node i.
    directed = view({**tree, "directed": True}, None, False)
    assert directed[:3, 2:5].tolist() == [[1, 0, 0], [2, 1, 0], [0, 1, 1]]


def test_augmentation_drops_edges_of_both_directions_and_masks_nodes():
    count = 20
    edges = [[i, j] for i in range(count) for j in range(i)]
    tree = {"nodes": [[1]] * count, "edges": edges}
    view = GraphView(nodes=count, categories=(2,), edges=1, drop_edges=0.3, mask_nodes=0.25)
    rng = np.random.default_rng(0)
    drawn = [view(tree, rng, True) for _ in range(20)]
    links = np.stack([x[:, 1:] for x in drawn])
    np.testing.assert_array_equal(links, links.transpose(0, 2, 1))
    assert (np.diagonal(links, axis1=1, axis2=2) == 1).all()
    left = (links.sum() - 20 * count) / (20 * count * (count - 1))
    assert abs(left - 0.7) < 0.03
    assert abs(np.mean([x[:, 0].mean() for x in drawn]) - 0.75) < 0.08
    assert view(tree, None, False)[:, 1:].min() == 1


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (ACETATE.replace('elementType="O"', 'elementType="Q"'), "'Q' is no chemical element"),
        (ACETATE.replace("a1 a2", "a1 a9"), r"bond 0 joins \['a1', 'a9'\]"),
        (ACETATE.replace('order="2"', 'order="7"'), "bond 1 has the order '7'"),
        (ACETATE.replace('id="a2"', 'id="a1"'), "the id 'a1', which is empty or taken"),
        (ACETATE[:300], "the file is no XML that can be read"),
        ("<a/>", "holds no CML molecule"),
        ("<molecule/>", "has no atoms"),
        (ACETATE.replace('"-1"', '"-9"'), "the charge -9; -4 to 4"),
        (ACETATE.replace('x3="0.0"', 'x3="zero"'), "the coordinates of an atom are no numbers"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
        ("", "no graph that can be read"),
        (b"{", "the file is not JSON"),
        ({"nodes": [[1, 0, 4]]}, "an object with 'nodes' and 'edges'"),
        ({"nodes": [[1, 0, 4]], "edges": [[0, 1]]}, "edge 0 names a node that is none of the 1"),
        ({"nodes": [[1, 0, 4]], "edges": [[0]]}, r"edge 0 should be \[node, node\]"),
        ({"nodes": [[1, 0, 4]], "edges": 3}, "'edges' should be a list"),
        ({"nodes": [[1], [1, 2]], "edges": []}, "'nodes' should be a list with a list"),
        ({"nodes": [[0.5, 0, 4]], "edges": []}, "not all whole numbers"),
        ({"nodes": [[200, 0, 4]], "edges": []}, "200 in category 0, which has 119 values"),
        ({"nodes": [[1, 0, 4]] * 2, "edges": [[0, 1, 5]]}, "kind 5, but the view takes 1 to 4"),
        ({"nodes": [], "edges": []}, "it has 0 nodes, but the view takes 1 to 6"),
        ({"nodes": [[1, 0, 4]] * 7, "edges": []}, "it has 7 nodes, but the view takes 1 to 6"),
        ({"nodes": [[1]], "edges": []}, "nodes have 1 categories and 0 numbers, but .* 3 and 0"),
        (7, "should be the content of a file, not a int"),
    ],
)
def test_a_bad_graph_is_one_sentence(value, reason):
    with pytest.raises(BadExample, match=reason) as caught:
        GraphView(nodes=6)(value, None, False)
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (sdf().replace("  1  2  1  0", "  1  9  1  0"), "no SDF or MOL file that can be read"),
        (sdf("M  CHG  1   9  -1"), "no SDF or MOL file that can be read"),
        (sdf("M  CHG  1   4  -9"), "the charge -9; -4 to 4"),
        (sdf()[:150], "no SDF or MOL file that can be read"),
        (sdf().replace(" O  ", " Qq "), "no SDF or MOL file|'Qq' is no chemical element"),
        ("hello", "'hello' is no SMILES that can be read"),
        ("C1CC", "no SMILES"),
        ("*C", r"'\*' is no chemical element"),
    ],
)
def test_a_bad_molecule_is_one_sentence(value, reason, capfd):
    needs("rdkit")
    with pytest.raises(BadExample, match=reason) as caught:
        GraphView(nodes=6)(value, None, False)
    assert "\n" not in caught.value.reason
    assert capfd.readouterr().err == ""  # RDKit would write to it itself


def test_the_table_of_elements():
    assert len(NUMBERS) == MOLECULE_CATEGORIES[0] - 1 == 118
    assert [NUMBERS[s] for s in ("H", "C", "Fe", "Br", "Au", "U", "Og")] == [
        1,
        6,
        26,
        35,
        79,
        92,
        118,
    ]

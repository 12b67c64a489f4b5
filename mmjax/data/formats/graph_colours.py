"""Which graphs are the same, whatever the order of their nodes."""

from __future__ import annotations

import hashlib

from mmjax.data.formats.graphs import Graph


def colours(graph: Graph) -> str:
    """A key that two graphs of the same nodes and links share (colour refinement).

    Every node starts with its categories and takes in, again and again, the colours of its
    neighbours (Weisfeiler and Leman 1968); the key is the sorted list of the last colours. Graphs
    that it cannot tell apart are few, and a graph network whose nodes see their neighbours cannot
    either. Kinds of edges do not count: of a molecule they follow from its atoms, hydrogens and
    charges, except for where the double bonds of a ring are written.
    """
    neighbours: list[list[int]] = [[] for _ in graph.nodes]
    for source, target, _ in graph.edges.tolist():
        neighbours[target].append(source)
    found = [str(categories) for categories in graph.nodes.tolist()]
    known = 0
    # Two nodes of one colour stay so from the first round on that tells no more nodes apart.
    while known < len(set(found)):
        known = len(set(found))
        seen = [sorted(found[i] for i in near) for near in neighbours]
        found = [
            hashlib.sha256(f"{own} {near}".encode()).hexdigest()
            for own, near in zip(found, seen, strict=True)
        ]
    return " ".join(sorted(found))

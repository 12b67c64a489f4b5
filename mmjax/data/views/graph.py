"""Graphs to padded arrays: nodes, their numbers, and the edges between them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from mmjax.data.formats.molecules import MOLECULE_CATEGORIES, read_graph
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import BelowOne, Count, CountOrZero


class GraphView(View):
    """A graph as f32[nodes, C + F + nodes], the rows that `encoders.graph.GraphNetwork` reads.

    Row i has the C categories of node i, its F numbers, and the kind of the edge to it from every
    node, 0 for none; 1 stands on the diagonal for a node, and rows of zeros follow a smaller graph.
    (An edge from a node to itself is left out.)

    The value is a molecule or a graph in a file (JSON, CML, SDF, MOL, SMILES; see `formats.graphs`
    and `formats.molecules`).

    Args:
      nodes: the most nodes; a larger graph is refused, since a part of it is another graph.
      categories: how many values each of the C categories has; the default is that of molecules.
      features: F.
      edges: the number of kinds of edges; 4 for molecules.
      hydrogens: hydrogens of molecules are nodes; otherwise they are counted at their atom.
      drop_edges: in training, the share of edges that are left out; of both directions at once.
      mask_nodes: in training, the share of nodes whose categories and numbers become 0.

    Attributes:
      shape: (nodes, C + F + nodes).
      dtype: float32.
    """

    reads_text = True

    def __init__(
        self,
        *,
        nodes: Count,
        categories: tuple[Count, ...] = MOLECULE_CATEGORIES,
        features: CountOrZero = 0,
        edges: Count = 4,
        hydrogens: bool = False,
        drop_edges: BelowOne = 0.0,
        mask_nodes: BelowOne = 0.0,
    ):
        self.nodes, self.categories, self.features = nodes, tuple(categories), features
        self.edges, self.hydrogens = edges, hydrogens
        self.drop_edges, self.mask_nodes = drop_edges, mask_nodes
        self.shape = (nodes, len(categories) + features + nodes)
        self.dtype = np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        graph = read_graph(pick(value, rng, train), self.hydrogens)
        count, width = graph.nodes.shape
        self._check(count, width, graph)
        out = np.zeros(self.shape, np.float32)
        before = width + self.features
        out[:count, :width] = graph.nodes
        out[:count, width:before] = graph.features
        links = np.zeros((self.nodes, self.nodes), np.float32)
        links[graph.edges[:, 1], graph.edges[:, 0]] = graph.edges[:, 2]
        if train and self.mask_nodes:
            out[:count, :before][required(rng).random(count) < self.mask_nodes] = 0
        if train and self.drop_edges:
            chance = np.triu(required(rng).random((self.nodes, self.nodes)), 1)
            links[(chance + chance.T) < self.drop_edges] = 0
        np.fill_diagonal(links, np.arange(self.nodes) < count)
        out[:, before:] = links
        return out

    def content(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """`nodes`, how many have each value of each category; `edges`, of each kind; `numbers`.

        And `stars`, an id for every node with its neighbours, -1 where there is no node: of the
        node's categories and, for each neighbour, the edge's kind and its categories.
        """
        width, before = len(self.categories), len(self.categories) + self.features
        links = array[:, before:].astype(int)
        real = np.diagonal(links) > 0
        of_nodes = [
            np.bincount(array[real, column].astype(int), minlength=size)
            for column, size in enumerate(self.categories)
        ]
        between = links[~np.eye(self.nodes, dtype=bool)]
        parts = {
            "nodes": np.concatenate([real.sum(keepdims=True), *of_nodes]).astype(np.float32),
            "edges": np.bincount(between, minlength=self.edges + 1)[1:].astype(np.float32),
        }
        own = [node[:width].astype(int).tobytes() for node in array]
        parts["stars"] = np.full(self.nodes, -1, np.int64)
        for node in np.flatnonzero(real):
            near = [n for n in np.flatnonzero(links[node]) if n != node]
            arms = sorted(bytes([links[node, n]]) + own[n] for n in near)
            parts["stars"][node] = zlib.crc32(own[node] + b"".join(arms))
        if self.features:
            parts["numbers"] = np.where(real[:, None], array[:, width:before], np.nan)
        return parts

    def _check(self, count: int, width: int, graph: Any) -> None:
        if not 0 < count <= self.nodes:
            raise unusable(f"it has {count} nodes, but the view takes 1 to {self.nodes}")
        if width != len(self.categories) or graph.features.shape[1] != self.features:
            raise unusable(
                f"its nodes have {width} categories and {graph.features.shape[1]} numbers, but the "
                f"view takes {len(self.categories)} and {self.features}"
            )
        for column, size in enumerate(self.categories):
            worst = graph.nodes[:, column]
            if worst.min() < 0 or worst.max() >= size:
                raise unusable(
                    f"a node has {int(worst.max())} in category {column}, which has {size} values"
                )
        kinds = graph.edges[:, 2]
        if len(kinds) and not (kinds.min() >= 1 and kinds.max() <= self.edges):
            raise unusable(
                f"an edge is of kind {int(kinds.max())}, but the view takes 1 to {self.edges}"
            )
        if np.abs(graph.features).max(initial=0) > np.finfo(np.float32).max:
            raise unusable("a number of a node is too large for 32 bits")

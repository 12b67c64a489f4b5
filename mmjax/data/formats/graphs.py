"""Graphs, and those of the bytes of JSON files.

{"nodes": [[3, 0], [5, 1]],        whole numbers from 0, the categories of each node, or []
 "features": [[0.1], [0.7]],       optional: numbers of each node
 "edges": [[0, 1], [1, 0, 2]],     from node, to node, kind (1 where it is left out)
 "directed": false}                optional; undirected edges are named once
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmjax.data.records import BadExample, unusable


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


def from_tree(tree: Any) -> Graph:
    """A graph of a dict like the JSON; raises BadExample of a view."""
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
        isinstance(value, int | np.integer)
        and not isinstance(value, bool)
        and abs(int(value)) < 2**31
    )


def _table(tree: Mapping[str, Any], name: str, dtype: type) -> np.ndarray:
    rows = tree[name]
    try:
        if dtype is np.int64 and not all(_is_whole(n) for row in rows for n in row):
            raise ValueError("they are not all whole numbers")
        return np.array(rows, dtype).reshape(len(rows), -1 if len(rows) else 0)
    except (TypeError, ValueError, OverflowError) as error:
        raise unusable(
            f"{name!r} should be a list with a list of numbers for each node ({error})"
        ) from error


def from_json(text: str) -> Graph:
    """A graph of a JSON file; raises BadExample of a view."""
    try:
        return from_tree(json.loads(text))
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadExample):
            raise
        raise unusable(f"the file is not JSON ({error})") from error

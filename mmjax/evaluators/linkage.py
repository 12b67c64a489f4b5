"""Single linkage: clusters are the connected components of what is nearer than a threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

THRESHOLDS = np.arange(0.01, 1.0, 0.01)  # cosine distances that are tried


class Tree(NamedTuple):
    """A minimum spanning tree of N rows.

    Attributes:
      first, second: i64[N - 1], the rows that an edge joins.
      distance: f64[N - 1], the length of each edge.
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray

    def components(self, threshold: float) -> np.ndarray:
        """The cluster of each row i64[N], where edges up to a length join.

        They are the connected components of all pairs up to that distance, which is single linkage
        cut there.
        """
        from scipy.sparse import coo_array  # here to start faster
        from scipy.sparse.csgraph import connected_components

        kept, count = self.distance <= threshold, len(self.distance) + 1
        edges = (np.ones(kept.sum()), (self.first[kept], self.second[kept]))
        return np.asarray(connected_components(coo_array(edges, shape=(count, count)))[1])


def spanning_tree(x: np.ndarray) -> Tree:
    """The tree of the cosine distances of unit rows f64[N, D], by Prim's algorithm.

    O(N² D) operations and O(N D) memory: no N x N array exists.
    """
    count = len(x)
    # Of each row that is not in the tree yet, the nearest one that is; -inf of those that are.
    nearest, shortest = np.zeros(count, np.int64), np.full(count, np.inf)
    first, second, distance = [], [], []
    shortest[0], now = -np.inf, 0
    for _ in range(count - 1):
        to = 1 - x @ x[now]
        closer = to < shortest  # never of rows that are in the tree
        nearest[closer], shortest[closer] = now, to[closer]
        shortest[now] = -np.inf
        left = np.where(shortest == -np.inf, np.inf, shortest)
        new = int(left.argmin())
        first.append(nearest[new])
        second.append(new)
        distance.append(left[new])
        now = new
    return Tree(np.array(first, np.int64), np.array(second, np.int64), np.array(distance))


def best_threshold(x: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the best adjusted Rand index on rows f64[N, D] of classes i64[N].

    Of equal ones the middle one.
    """
    from sklearn.metrics import adjusted_rand_score  # here to start faster

    tree = spanning_tree(x)
    found = [adjusted_rand_score(truth, tree.components(each)) for each in THRESHOLDS]
    best = np.flatnonzero(np.isclose(found, max(found)))
    return float(THRESHOLDS[best[len(best) // 2]])

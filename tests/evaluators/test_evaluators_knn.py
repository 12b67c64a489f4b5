"""The vote of nearest neighbours against a plain loop."""

import numpy as np
import pytest

from mmjax.evaluators import neighbours
from mmjax.evaluators.knn import NearestNeighbours, vote


def test_the_vote_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    x, test = (rng.normal(size=(n, 5)).astype(np.float32) for n in (90, 700))
    x, test = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, test))
    y = rng.integers(4, size=90)
    for k in (1, 7, 90):
        want = []
        for row in test:
            order = np.argsort(-(x @ row))[:k]
            votes = [sum((x[i] @ row) for i in order if y[i] == c) for c in range(4)]
            want.append(int(np.argmax(votes)))
        np.testing.assert_array_equal(vote(x, y, test, 4, k), want)


def test_only_cosines_of_a_tile_are_there_at_once(monkeypatch):
    rng, shapes, better = np.random.default_rng(0), set(), neighbours._better
    x, test = (rng.normal(size=(n, 2)).astype(np.float32) for n in (100, 70))

    def seen(query, tile, *rest):
        shapes.add((query.shape, tile.shape))
        return better(query, tile, *rest)

    monkeypatch.setattr(neighbours, "_better", seen)
    neighbours.Gallery(x, columns=32).nearest(test, 3, rows=16)
    assert shapes == {((16, 2), (32, 2))}


def test_no_neighbour_is_refused():
    with pytest.raises(ValueError, match="k=0"):
        NearestNeighbours(k=0)

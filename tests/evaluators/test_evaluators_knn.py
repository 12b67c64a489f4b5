"""The vote of nearest neighbours against a plain loop."""

import numpy as np
import pytest

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


def test_no_neighbour_is_refused():
    with pytest.raises(ValueError, match="k=0"):
        NearestNeighbours(train={}, k=0)

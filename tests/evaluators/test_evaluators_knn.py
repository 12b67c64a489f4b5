"""The vote of nearest neighbours against a plain loop."""

import tracemalloc

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


def test_all_cosines_are_never_there_at_once():
    rng = np.random.default_rng(0)
    x, test = (rng.normal(size=(n, 2)).astype(np.float32) for n in (20_000, 8_000))
    vote(x[:9], np.zeros(9, int), test[:9], 2, 3)  # imports take memory, too
    tracemalloc.start()
    vote(x, rng.integers(2, size=len(x)), test, 2, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 8_000 * 4 / 2  # all of them would be 640 MB, and their order more


def test_no_neighbour_is_refused():
    with pytest.raises(ValueError, match="k=0"):
        NearestNeighbours(k=0)

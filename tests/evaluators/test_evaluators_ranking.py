"""Ranks against a plain float64 sort, with ties, odd sizes and several right answers."""

import functools
import itertools
import math

import jax
import numpy as np
import pytest

from mmjax.evaluators import ranking, tiles


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def plain(queries, answers, query_labels, answer_labels, ks):
    """Measures from a full sort in float64; scores must not have ties."""
    scores = queries.astype(np.float64) @ answers.astype(np.float64).T
    hits, ranks, precisions = [], [], []
    for row, label in zip(scores, query_labels, strict=True):
        right = answer_labels[np.argsort(-row)] == label
        if right.any():
            places = np.flatnonzero(right) + 1
            hits.append([places[0] <= k for k in ks])
            ranks.append(places[0])
            precisions.append(np.mean(np.arange(1, len(places) + 1) / places))
    return np.array(hits, float), np.array(ranks, float), np.array(precisions)


@pytest.mark.parametrize(
    ("queries", "gallery", "classes"), [(37, 53, 53), (101, 77, 20), (1, 1, 1), (5, 700, 3)]
)
@pytest.mark.parametrize("tile", [(7, 16), (512, 2048)])
def test_equals_a_full_sort(queries, gallery, classes, tile, monkeypatch):
    monkeypatch.setattr(
        tiles,
        "sum_over_columns",
        functools.partial(tiles.sum_over_columns, row_tile=tile[0], column_tile=tile[1]),
    )
    # Of 700 scores some are closer than TIE, and would count as equal; 9 numbers need less of it.
    monkeypatch.setattr(ranking, "TIE", 2e-7)
    rng = np.random.default_rng(queries)
    x, y = unit(rng, queries, 9), unit(rng, gallery, 9)
    # Labels far outside 32 bits, and queries whose label no answer has.
    names = rng.integers(2**40, 2**41, classes + 2)
    y_labels = np.concatenate([names[:classes], rng.choice(names[:classes], gallery)])[:gallery]
    x_labels = rng.choice(np.append(names, y_labels[0]), queries)
    x_labels[0] = y_labels[0]
    ks = (1, 3, 10)
    hits, places, precision = plain(x, y, x_labels, y_labels, ks)

    ranks = ranking.rank(x, y, x_labels, y_labels)
    best = ranking.best(ranks)
    np.testing.assert_array_equal(np.stack([ranking.hit(best, k) for k in ks], 1), hits)
    np.testing.assert_array_equal(ranking.expected_rank(best), places)
    np.testing.assert_allclose(ranking.average_precision(ranks), precision, rtol=1e-5)
    np.testing.assert_array_equal(best.query, [n for n, q in enumerate(x_labels) if q in y_labels])


def test_ties_count_by_the_mean_over_all_orders():
    # Corners of a square have the cosines -1, 0 and 1 only, so that most scores are tied.
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) / np.sqrt(2)
    rng = np.random.default_rng(0)
    y = corners[rng.integers(0, 4, 6)].astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 2])
    for query, label in itertools.product(corners.astype(np.float32), range(3)):
        ranks = ranking.rank(query[None], y, np.array([label]), labels)
        best = ranking.best(ranks)
        orders = list(itertools.permutations(range(6)))
        scores = np.round(y @ query, 3)
        hits, places, precision = np.zeros(3), 0.0, 0.0
        for order in orders:
            order = np.array(order)
            right = labels[order[np.argsort(-scores[order], kind="stable")]] == label
            where = np.flatnonzero(right) + 1
            hits += [where[0] <= k for k in (1, 2, 5)]
            places += where[0]
            precision += np.mean(np.arange(1, len(where) + 1) / where)
        got = [ranking.hit(best, k).item() for k in (1, 2, 5)]
        np.testing.assert_allclose(got, hits / len(orders), rtol=1e-12)
        assert ranking.expected_rank(best).item() == pytest.approx(places / len(orders))
        assert ranking.average_precision(ranks).item() == pytest.approx(precision / len(orders))


def test_a_collapsed_model_is_at_chance():
    same = np.tile(unit(np.random.default_rng(0), 1, 64), (50, 1))
    # The noise of float32, which is no information.
    noisy = same * (1 + np.random.default_rng(1).choice([-1, 0, 1], same.shape) * 2.0**-24)
    labels = np.arange(50)
    best = ranking.best(ranking.rank(noisy.astype(np.float32), same, labels, labels))
    np.testing.assert_allclose(ranking.hit(best, 1), 1 / 50)
    np.testing.assert_allclose(ranking.hit(best, 5), 5 / 50)
    np.testing.assert_allclose(ranking.hit(best, 60), 1)
    np.testing.assert_allclose(ranking.expected_rank(best), 51 / 2)


def test_more_answers_than_k_never_matter_to_a_perfect_model():
    x = unit(np.random.default_rng(3), 30, 16)
    labels = np.arange(30) // 3  # three right answers each, and the query itself is one of them
    ranks = ranking.rank(x, x, labels, labels)
    assert (ranking.hit(ranking.best(ranks), 1) == 1).all()
    assert len(ranks.query) == 90


def test_no_right_answer_is_an_error():
    x = unit(np.random.default_rng(0), 3, 4)
    with pytest.raises(ValueError, match="no query has a right answer"):
        ranking.rank(x, x, np.arange(3), np.arange(3) + 10)


def shapes_in(jaxpr):
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield variable.aval.shape
        for value in equation.params.values():
            if hasattr(value, "jaxpr"):
                yield from shapes_in(value.jaxpr)
            elif hasattr(value, "eqns"):
                yield from shapes_in(value)


def program(count, dim=64):
    """The compiled piece of `rank` for `count` answers, on shapes alone."""
    rows, columns = tiles.ROW_TILE, tiles.COLUMN_TILE
    blocks = -(-count // columns)

    def shape(*size, dtype=np.float32):
        return jax.ShapeDtypeStruct(size, dtype)

    arguments = (
        shape(),
        {
            "vector": shape(rows, dim),
            "score": shape(rows),
            "label": shape(rows, dtype=np.int32),
            "answer": shape(rows, dtype=np.int32),
        },
        {
            "vector": shape(blocks, columns, dim),
            "label": shape(blocks, columns, dtype=np.int32),
            "index": shape(blocks, columns, dtype=np.int32),
        },
        shape(blocks, columns, dtype=bool),
    )
    return tiles._row_tile.trace(ranking.Count(tiles.scores), *arguments)


def test_memory_is_that_of_a_tile():
    traced = program(20_000)
    largest = max(math.prod(shape) for shape in shapes_in(traced.jaxpr.jaxpr))
    assert largest == tiles.ROW_TILE * tiles.COLUMN_TILE
    temporary = {
        n: program(n).lower().compile().memory_analysis().temp_size_in_bytes
        for n in (20_000, 80_000)
    }
    # No more than a few tiles of float32, and independent of the number of answers.
    assert temporary[20_000] <= 6 * 4 * tiles.ROW_TILE * tiles.COLUMN_TILE
    assert temporary[80_000] <= 1.1 * temporary[20_000]


def test_an_answer_equals_itself_however_its_score_is_rounded(monkeypatch):
    # Wide vectors in one order of summation and another differ by more than TIE now and then.
    monkeypatch.setattr(ranking, "TIE", 0.0)
    rng = np.random.default_rng(0)
    x = unit(rng, 300, 2048)
    y = x + 0.02 * rng.normal(size=x.shape).astype(np.float32)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    labels = np.arange(300)
    ranks = ranking.rank(x, y, labels, labels)
    np.testing.assert_array_equal(ranks.right_equal, 1)
    np.testing.assert_array_equal(ranks.right_above, 0)
    best = ranking.best(ranks)
    np.testing.assert_array_equal(ranking.expected_rank(best), 1)
    np.testing.assert_array_equal(ranking.average_precision(ranks), 1)

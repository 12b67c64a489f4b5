import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mmjax.evaluators import geometry, tiles


def unit(rng, *shape, shift=0.0):
    x = rng.normal(size=shape)
    x[:, 0] += shift
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def plain_uniformity(x, y, t):
    squared = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(-1)
    other = ~np.eye(len(x), dtype=bool)
    return np.log(np.exp(-t * squared)[other].mean())


@pytest.mark.parametrize("n", [2, 37, 700])
@pytest.mark.parametrize("t", [2.0, 0.5])
def test_uniformity_equals_the_plain_formula(n, t):
    rng = np.random.default_rng(n)
    x, y = unit(rng, n, 6), unit(rng, n, 6)
    assert geometry.uniformity(x, y, t) == pytest.approx(plain_uniformity(x, y, t), abs=1e-6)
    upper = [((x[i] - x[j]) ** 2).sum() for i in range(n) for j in range(i + 1, n)]
    within = np.log(np.mean(np.exp(-t * np.array(upper, np.float64))))
    assert geometry.uniformity(x, x, t) == pytest.approx(within, abs=1e-5)


def test_uniformity_over_several_tiles_that_do_not_divide():
    x = unit(np.random.default_rng(0), 101, 5)
    index = np.arange(101, dtype=np.int32)
    sums = tiles.sum_over_columns(
        geometry._near,
        101,
        lambda part: {"vector": x[part], "index": index[part]},
        {"vector": x, "index": index},
        np.float32(2),
        row_tile=16,
        column_tile=24,
    )
    assert sums.shape == (101,)
    squared = ((x[:, None].astype(np.float64) - x[None]) ** 2).sum(-1)
    np.testing.assert_allclose(sums, np.exp(-2 * squared).sum(1) - 1, rtol=1e-5)


def test_known_values_of_uniformity():
    # Card 02: near -4 for random directions of a large space, 0 for one point.
    wide = unit(np.random.default_rng(0), 1000, 1024)
    assert geometry.uniformity(wide, wide) == pytest.approx(-4, abs=0.05)
    point = np.tile(wide[:1], (50, 1))
    assert geometry.uniformity(point, point) == pytest.approx(0, abs=1e-5)


def test_memory_is_that_of_a_tile():
    rows, columns, blocks = tiles.ROW_TILE, tiles.COLUMN_TILE, 10

    def shape(*size, dtype=np.float32):
        return jax.ShapeDtypeStruct(size, dtype)

    traced = tiles._row_tile.trace(
        geometry._near,
        shape(),
        {"vector": shape(rows, 64), "index": shape(rows, dtype=np.int32)},
        {"vector": shape(blocks, columns, 64), "index": shape(blocks, columns, dtype=np.int32)},
        shape(blocks, columns, dtype=bool),
    )
    memory = traced.lower().compile().memory_analysis().temp_size_in_bytes
    assert memory <= 3 * 4 * rows * columns  # all pairs would be 1.6 GB


def test_effective_rank():
    rng = np.random.default_rng(0)
    assert geometry.effective_rank(np.ones((20, 4), np.float32)) == 1
    line = np.outer(rng.normal(size=500), [1, 2, 2, 0]).astype(np.float32)
    assert geometry.effective_rank(line) == pytest.approx(1, abs=1e-3)
    round_ = rng.normal(size=(20000, 4))
    assert geometry.effective_rank(round_) == pytest.approx(4, abs=0.01)
    x = rng.normal(size=(100, 3)) * [3, 2, 1]
    centred = x - x.mean(0)
    values = np.linalg.svd(centred.T @ centred / 99, compute_uv=False)
    p = values / values.sum()
    assert geometry.effective_rank(x) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_a_gap_is_seen():
    rng = np.random.default_rng(1)
    far = geometry.Geometry().measure(unit(rng, 300, 8, shift=9), unit(rng, 300, 8, shift=-9))
    assert far["linear_separability"] == 1
    assert far["centroid_distance"] > 1.8
    assert far["positive_cosine"] < -0.7
    mixed = geometry.Geometry().measure(unit(rng, 300, 8), unit(rng, 300, 8))
    assert 0.3 < mixed["linear_separability"] < 0.7
    assert mixed["centroid_distance"] < 0.3
    same = unit(rng, 300, 8)
    equal = geometry.Geometry().measure(same, same)
    assert equal["alignment"] == 0
    assert equal["positive_cosine"] == pytest.approx(1, abs=1e-6)
    assert equal["centroid_distance"] == 0
    assert equal["linear_separability"] == 0.5


def test_alignment_and_cosine_agree():
    rng = np.random.default_rng(2)
    measured = geometry.Geometry().measure(unit(rng, 50, 8), unit(rng, 50, 8))
    assert measured["alignment"] == pytest.approx(2 - 2 * measured["positive_cosine"], abs=1e-6)


def test_margin_is_to_the_cosine_of_other_pairs():
    rng = np.random.default_rng(5)
    x, y = unit(rng, 50, 8, shift=1.0), unit(rng, 50, 8, shift=1.0)
    cosine = x.astype(float) @ y.astype(float).T
    other = cosine[~np.eye(50, dtype=bool)].mean()
    measured = geometry.Geometry().measure(x, y)
    assert measured["negative_cosine"] == pytest.approx(other, abs=1e-7)
    assert measured["cosine_margin"] == pytest.approx(np.diag(cosine).mean() - other, abs=1e-7)


def test_separability_is_on_pairs_it_did_not_see():
    # Random labels can be fitted in 200 dimensions but not predicted.
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 100, 200))
    assert geometry.separability(x, y) < 0.75
    assert geometry.separability(x, y, seed=1) == geometry.separability(x, y, seed=1)


def test_equals_scikit_learn():
    rng = np.random.default_rng(4)
    x, y = unit(rng, 200, 6, shift=0.5), unit(rng, 200, 6, shift=-0.5)
    order = np.random.default_rng(0).permutation(200)
    held_out, fitted = order[:40], order[40:]
    reference = LogisticRegression(tol=1e-10).fit(
        np.concatenate([x[fitted], y[fitted]]), np.repeat([1, 0], 160)
    )
    score = reference.score(np.concatenate([x[held_out], y[held_out]]), np.repeat([1, 0], 40))
    assert geometry.separability(x, y) == pytest.approx(score)


def test_one_modality_twice_is_an_error():
    with pytest.raises(ValueError, match="two different modalities"):
        geometry.Geometry(pair=("image", "image"))

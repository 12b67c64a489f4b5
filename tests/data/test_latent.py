"""The Gaussian latent: two views of one draw, splits of one world."""

import pickle

import numpy as np
import pytest

from mmjax.data import TrainData
from mmjax.data.registry import SOURCES
from mmjax.data.synthetic import GaussianLatentSource
from mmjax.data.views import VectorView


def test_sizes_are_those_of_the_paper_and_rows_are_normal():
    train, test = GaussianLatentSource(), GaussianLatentSource(split="test")
    assert (len(train), len(test)) == (4096, 1000)
    assert SOURCES["gaussian_latent"] is GaussianLatentSource
    x = np.stack([train[i]["a"] for i in range(4096)])
    assert x.shape == (4096, 32)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(0), 0, atol=0.07)
    np.testing.assert_allclose(np.cov(x.T), np.eye(32), atol=0.09)
    np.testing.assert_array_equal(x, train.fields["b"])  # without noise, the inputs are identical
    assert train.describe() == (
        "gaussian_latent, train: 4,096 rows of dimension 32, noise 0.0, seed 0"
    )


def test_splits_are_disjoint_draws_and_seeds_other_worlds():
    sets = [
        GaussianLatentSource(split=split, seed=seed).fields["a"][:1000]
        for split in ("train", "test")
        for seed in (0, 1)
    ]
    for i, one in enumerate(sets):
        for other in sets[:i]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(sets[0], GaussianLatentSource(seed=0).fields["a"][:1000])


def test_fixed_noise_is_independent_for_each_view():
    source = GaussianLatentSource(split="test", examples=5000, noise=0.5, seed=3)
    latent = GaussianLatentSource(split="test", examples=5000, seed=3).fields["a"]
    first, second = source.fields["a"] - latent, source.fields["b"] - latent
    assert first.std() == pytest.approx(0.5, rel=0.01)
    assert second.std() == pytest.approx(0.5, rel=0.01)
    for x, y in ((first, second), (first, latent), (second, latent)):
        assert abs(np.corrcoef(x.ravel(), y.ravel())[0, 1]) < 0.01
    np.testing.assert_array_equal(source[7]["a"], source[7]["a"])
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[7]["b"], source[7]["b"])


def test_training_draws_fresh_noise_at_each_visit():
    views = {name: VectorView(dim=32, noise=0.5) for name in ("a", "b")}
    source = GaussianLatentSource(examples=64)
    data = TrainData(source, views, batch_size=64, seed=0)
    noises = [
        data[k][name] - source.fields["a"][data[k]["id"]] for k in range(3) for name in ("a", "b")
    ]
    for i, one in enumerate(noises):
        assert one.std() == pytest.approx(0.5, rel=0.1)
        for other in noises[:i]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("options", [{"examples": 0}, {"dim": 0}, {"noise": -1}, {"split": "val"}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GaussianLatentSource(**options)

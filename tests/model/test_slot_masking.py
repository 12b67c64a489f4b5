"""Budgets of tokens of many modalities: how many are seen and asked for, and of which."""

import jax
import numpy as np
import pytest
from augmenting import keys
from flax import nnx

from mmjax.errors import ConfigError
from mmjax.model.augment import AUGMENTATIONS

SLOTS = {"a": (4, 9), "b": (4, 9), "c": (4, 9), "d": (4, 9)}


def split(x, seed=0, **options):
    spec = AUGMENTATIONS.spec("mask_slots", slots=SLOTS, **{"inputs": 6, "targets": 5, **options})

    @jax.jit
    def run(x, keys):
        return spec.build()(x, train=True, rngs=nnx.Rngs(dropout=keys))

    return map(np.asarray, run(x, keys(len(x), seed)))


def tokens(rows, missing=0.0):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (rows, 16))
    return np.where(rng.random(x.shape) < missing, -1, x).astype(np.int32)


@pytest.mark.parametrize("missing", [0.0, 0.5, 0.9])
def test_inputs_and_targets_fill_their_budgets_and_do_not_meet(missing):
    x = tokens(400, missing)
    seen, asked = split(x)
    assert not ((seen >= 0) & (asked >= 0)).any()
    np.testing.assert_array_equal(seen[seen >= 0], x[seen >= 0])
    np.testing.assert_array_equal(asked[asked >= 0], x[asked >= 0])
    there = (x >= 0).sum(1)
    np.testing.assert_array_equal((seen >= 0).sum(1), np.minimum(there, 6))
    np.testing.assert_array_equal((asked >= 0).sum(1), np.clip(there - 6, 0, 5))


def modalities(x):
    """Of how many modalities each row has tokens."""
    return (x.reshape(-1, 4, 4) >= 0).any(2).sum(1)


def test_a_small_alpha_has_few_modalities_and_each_as_often():
    x = tokens(2000)
    few, _ = split(x, alphas=(0.01,))
    many, asked = split(x, alphas=(100.0,))
    assert modalities(few).mean() < 2.2
    assert modalities(many).mean() > 3.2
    assert modalities(asked).mean() > 3
    both, _ = split(x, alphas=(0.01, 100.0))
    middle = (modalities(few).mean() + modalities(many).mean()) / 2
    assert abs(modalities(both).mean() - middle) < 0.1
    for each in (few, many):
        shares = (each.reshape(-1, 4, 4) >= 0).mean((0, 2))
        np.testing.assert_allclose(shares, 6 / 16, atol=0.04)


def test_a_row_splits_by_its_own_key_and_evaluation_sees_all():
    x = tokens(8)
    augment = AUGMENTATIONS.spec("mask_slots", slots=SLOTS, inputs=6, targets=5).build()
    of_rows = keys(8)
    both = augment(x, train=True, rngs=nnx.Rngs(dropout=of_rows))
    half = augment(x[4:], train=True, rngs=nnx.Rngs(dropout=of_rows[4:]))
    for whole, part in zip(both, half, strict=True):
        np.testing.assert_array_equal(whole[4:], part)
    again, targets = augment(x)
    assert again is x
    assert targets is None


def test_what_is_wrong_is_said():
    with pytest.raises(ConfigError, match=r"alphas=\(\) has none to draw"):
        AUGMENTATIONS.spec("mask_slots", slots=SLOTS, inputs=1, targets=1, alphas=()).build()
    with pytest.raises(ConfigError, match=r"shape \(3, 15\) are not the 16 tokens of 'slots'"):
        list(split(tokens(3)[:, 1:]))

"""The vision transformer: patches, positions, image sizes, poolings, patch dropout."""

import itertools

import jax
import numpy as np
import pytest
from jitted import jitted

from mmjax.encoders import ViT
from mmjax.encoders.positions import sincos


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_patch_stem_is_the_convolution_of_its_stride(make):
    stem = make(ViT).stem
    x = images(2, 16, 24, 3)
    kernel = np.asarray(stem.project.kernel[...]).reshape(8, 8, 3, 16)
    dimensions = ("NHWC", "HWIO", "NHWC")
    expected = jax.jit(
        lambda x, kernel: jax.lax.conv_general_dilated(
            x, kernel, (8, 8), "VALID", dimension_numbers=dimensions
        )
    )(x, kernel)
    expected = np.asarray(expected) + np.asarray(stem.project.bias[...])
    np.testing.assert_allclose(jitted(stem)(x), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (24, 8), (40, 16)])
@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_sincos_takes_images_of_any_size(make, run, size, stem):
    module = make(ViT, positions="sincos", pool="mean", stem=stem)
    out = run(module, images(2, *size, 3))
    assert out.tokens.shape == (2, size[0] * size[1] // 64, 16)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ({"pool": "cls"}, 1),
        ({"pool": "cls", "registers": 3}, 4),
        ({"pool": "mean"}, 0),
        ({"pool": "mean", "registers": 2}, 2),
        ({"pool": "map"}, 0),
    ],
)
def test_tokens_and_pooling(make, run, options, prefix):
    out = run(make(ViT, **options), images(2, 16, 24, 3))
    assert out.tokens.shape == (2, prefix + 6, 16)
    if options["pool"] == "cls":
        np.testing.assert_array_equal(out.pooled, out.tokens[:, 0])
    if options["pool"] == "mean":
        np.testing.assert_allclose(out.pooled, out.tokens[:, prefix:].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("positions", ["learned", "sincos"])
def test_positions_tell_patches_apart(make, run, positions):
    module = make(ViT, positions=positions, pool="mean")
    x = images(1, 16, 24, 3)
    moved = np.roll(x, 8, axis=2)
    assert np.abs(run(module, x).pooled - run(module, moved).pooled).max() > 1e-3
    if positions == "learned":
        module.position[...] = np.zeros(module.position.shape, np.float32)
        np.testing.assert_allclose(run(module, moved).pooled, run(module, x).pooled, atol=1e-5)


def test_patch_dropout_keeps_a_part_in_order(make, run):
    module = make(ViT, patch_dropout=0.5, pool="mean", positions="sincos", depth=1)
    x = images(16, 16, 24, 3)
    kept = run(module, x, train=True, key=jax.random.key(0)).tokens
    assert kept.shape == (16, 3, 16)
    assert run(module, x).tokens.shape == (16, 6, 16)
    # Where the same patches stay, images see the same: a batch of one image in sixteen rows has
    # more than one outcome, and each row's is one of the 20 ways to choose 3 of 6.
    same = np.broadcast_to(x[:1], x.shape)
    pooled = run(module, same, train=True, key=jax.random.key(1)).pooled
    patches = np.asarray(jitted(module.stem)(x[:1])).reshape(6, 16) + sincos((2, 3), 16)
    ways = np.array(list(itertools.combinations(range(6), 3)))
    outcomes = np.asarray(jitted(module.transformer)(patches[ways])).mean(axis=1)
    apart = np.abs(pooled[:, None] - outcomes[None]).max(axis=2)
    assert (apart.min(axis=1) < 1e-5).all()
    assert len(set(apart.argmin(axis=1))) >= 2

"""Augmentation on the device: its parts against NumPy and Pillow, and what draws depend on."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from augmenting import augmented as augmented_by
from augmenting import keys, run
from flax import nnx
from jitted import drawn, jitted
from PIL import Image

from mmjax import recipe as recipe_lib
from mmjax.data.views.image import saturate, turn_hue
from mmjax.encoders import ENCODERS
from mmjax.errors import ConfigError
from mmjax.model import augment
from mmjax.model.augment import ImageAugmentation, colours, gaussian_blur, regions
from mmjax.model.heads import NoHead
from mmjax.model.towers import Tower

ALL = {
    "crop_scale": (0.3, 0.9),
    "flip": 0.5,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "hue": 0.2,
    "jitter": 0.8,
    "grayscale": 0.3,
    "blur": 0.5,
}


def pictures(count=6, height=10, width=12):
    rng = np.random.default_rng(0)
    return rng.random((count, height, width, 3), np.float32)


augmented = functools.partial(augmented_by, ImageAugmentation)


def test_colours_are_those_of_the_host():
    x = pictures()
    rng = np.random.default_rng(1)
    bright, contrast, saturation = rng.uniform(0.6, 1.4, (3, 6)).astype(np.float32)
    turns = rng.uniform(-0.5, 0.5, 6).astype(np.float32)
    grey = np.arange(6) % 3 == 0
    got = jax.jit(colours)(x, bright, contrast, saturation, turns, grey)
    for i in range(6):
        # Step by step, in float64.
        y = x[i].astype(np.float64) * bright[i]
        middle = y.mean((0, 1)) @ np.array([0.299, 0.587, 0.114])
        y = contrast[i] * y + (1 - contrast[i]) * middle
        y = y @ saturate(np.float64(saturation[i])) @ turn_hue(float(turns[i]))
        if grey[i]:
            y = y @ saturate(np.float64(0))
        np.testing.assert_allclose(got[i], y.clip(0, 1), atol=3e-6)


def test_regions_are_pillows():
    """Enlarging a box is the bilinear resize of Pillow, on images without a border effect."""
    x = pictures(4)
    box = np.array(
        [[0.1, 0.2, 0.6, 0.5], [0.0, 0.0, 1.0, 1.0], [0.5, 0.25, 0.5, 0.5], [0.3, 0.1, 0.25, 0.8]],
        np.float32,
    )
    mirror = np.array([False, True, True, False])
    got = np.asarray(jax.jit(regions)(x, *box.T, mirror))
    for i, (left, top, width, height) in enumerate(box * np.array([12, 10, 12, 10])):
        for c in range(3):
            image = Image.fromarray(x[i, ..., c])
            want = np.asarray(
                image.resize(
                    (12, 10), Image.Resampling.BILINEAR, (left, top, left + width, top + height)
                )
            )
            want = want[:, ::-1] if mirror[i] else want
            # Pillow looks into the box alone: its outermost pixels may differ.
            np.testing.assert_allclose(got[i, 2:-2, 3:-3, c], want[2:-2, 3:-3], atol=1e-5)
    np.testing.assert_allclose(got[1], x[1, :, ::-1], atol=1e-6)


def test_blur_is_a_gaussian():
    x = np.zeros((2, 21, 21, 3), np.float32)
    x[:, 10, 10] = 1
    got = np.asarray(jax.jit(gaussian_blur)(x, np.array([1.0, 2.0], np.float32)))
    away = np.arange(21) - 10
    for sigma, picture in zip((1.0, 2.0), got, strict=True):
        kernel = np.exp(-(away**2) / (2 * sigma**2))
        kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
        np.testing.assert_allclose(picture[..., 1], kernel, atol=1e-5)
    flat = np.asarray(jax.jit(gaussian_blur)(np.ones((1, 5, 7, 3)), np.array([3.0])))
    np.testing.assert_allclose(flat, 1, atol=1e-6)


@pytest.mark.smoke
def test_what_an_example_gets_is_its_own():
    x = 2 * pictures(8) - 1
    whole = augmented(ALL, x)
    assert whole.shape == x.shape
    assert np.abs(whole - x).reshape(8, -1).max(1).min() > 0.01
    assert np.abs(whole).max() <= 1 + 1e-5
    # In slices, and with other neighbours, it is the same: microbatches are exact.
    part = run(ImageAugmentation, tuple(ALL.items()), jnp.asarray(x[3:5]), keys(8)[3:5])
    np.testing.assert_allclose(part, whole[3:5], atol=1e-6)
    assert np.abs(augmented(ALL, x, seed=1) - whole).max() > 0.1
    same = np.repeat(x[:1], 8, axis=0)
    assert len({a.tobytes() for a in augmented(ALL, same)}) == 8


def test_probabilities_and_evaluation():
    x = 2 * pictures(300, 4, 4) - 1
    flipped = augmented({"flip": 0.3}, x)
    mirrored = [np.allclose(a, b[:, ::-1], atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    kept = [np.allclose(a, b, atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    assert all(a or b for a, b in zip(mirrored, kept, strict=True))
    assert 60 < sum(mirrored) < 120
    grey = augmented({"grayscale": 0.5}, x)
    without = [np.ptp(a, axis=-1).max() < 1e-4 for a in grey]
    assert 110 < sum(without) < 190
    for a, b, gone in zip(grey, x, without, strict=True):
        if not gone:
            np.testing.assert_allclose(a, b, atol=1e-5)
    plain = ImageAugmentation(**ALL)
    assert plain(x, train=False) is x
    assert ImageAugmentation()(x, train=True) is x


def test_the_share_of_the_area_and_the_ratio_follow_the_options():
    ramp = np.stack(np.meshgrid(np.arange(40.0), np.arange(20.0), indexing="xy"), -1) / 40
    x = np.repeat(np.concatenate([ramp, 0 * ramp[..., :1]], -1)[None], 200, axis=0)
    options = {"crop_scale": (0.2, 0.5), "crop_ratio": (0.8, 1.25)}
    out = augmented(options, x.astype(np.float32)) * 40
    # A ramp shows what was cut out: pixels from one column to the next, times all columns.
    width = (out[:, 10, 30, 0] - out[:, 10, 10, 0]) / 20 * 40
    height = (out[:, 15, 20, 1] - out[:, 5, 20, 1]) / 10 * 20
    share = width * height / 800
    assert 0.19 < share.min() < 0.25
    assert 0.42 < share.max() <= 0.51
    assert 0.78 < (width / height).min() < 0.87
    assert 1.15 < (width / height).max() < 1.28


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_scale": (0.5, 1.2)}, "must not exceed 1"),
        ({"blur_sigma": (2.0, 1.0)}, "two rising numbers"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(ConfigError, match=message):
        ImageAugmentation(**options)


def test_a_recipe_names_it():
    recipe = str(Path(__file__).parents[2] / "configs" / "clip_uniform.py")
    config = recipe_lib.load(recipe, ["model.towers.image.augment={'type': 'image', 'flip': 0.5}"])
    assert config.model.towers["image"].augment.options["flip"] == 0.5
    assert config.model.towers["image"].augment.options["jitter"] == 1.0
    with pytest.raises(ConfigError, match=r"image\.augment\.flop'; did you mean 'flip'"):
        recipe_lib.load(recipe, ["model.towers.image.augment={'type': 'image', 'flop': 0.5}"])


def test_it_stands_before_an_encoder():
    """Training is augmented, evaluation is the view's image."""
    sizes = {"image_size": (8, 8), "patch": 4, "width": 8, "depth": 1, "heads": 1}
    encoder = drawn(
        lambda: ENCODERS.spec("vit", **sizes).build(dtype=jnp.float32, rngs=nnx.Rngs(0))
    )
    head = NoHead(width=8, dtype=jnp.float32, rngs=nnx.Rngs(0))
    own = augment.AUGMENTATIONS.spec("image", flip=1.0).build()
    x = 2 * pictures(3, 8, 8) - 1
    tower, bare = jitted(Tower(encoder, head, own)), jitted(Tower(encoder, head))
    np.testing.assert_array_equal(tower(x).unit, bare(x).unit)
    seen = tower(x, train=True, rngs=nnx.Rngs(dropout=keys(3))).unit
    np.testing.assert_allclose(seen, bare(x[:, :, ::-1]).unit, atol=1e-5)

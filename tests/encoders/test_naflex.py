"""Listed patches: resampled positions, padding without effect, and a ViT as a special case."""

import jax
import numpy as np
import pytest

from mmjax.encoders import NaFlexViT, ViT, positions

OPTIONS = dict(patch=4, width=16, depth=2, heads=2, pool="map")


def places(rows, columns):
    return np.indices((rows, columns)).reshape(2, -1).T.astype(np.float32)


@pytest.mark.parametrize("size", [(4, 6), (8, 3), (1, 1), (2, 13), (5, 5)])
def test_positions_are_those_of_a_resized_grid(size):
    grid = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    expected = jax.jit(lambda grid: jax.image.resize(grid, (*size, 5), "linear"))(grid)
    at_places = jax.jit(positions.at_places)
    found = at_places(grid, places(*size)[None], np.array([size], np.float32))
    np.testing.assert_allclose(found[0], expected.reshape(-1, 5), atol=1e-5)


def listed(image, longest=None):
    """f[H, W, 3] as listed patches of 4 x 4, with rows of NaN behind them."""
    rows, columns = image.shape[0] // 4, image.shape[1] // 4
    cut = image.reshape(rows, 4, columns, 4, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 48)
    whole = np.concatenate([places(rows, columns), cut], axis=1)
    return np.pad(
        whole, ((0, (longest or len(whole)) - len(whole)), (0, 0)), constant_values=np.nan
    )


def images():
    """Of 3 x 5, 7 x 2 and 1 x 1 patches."""
    rng = np.random.default_rng(1)
    return [
        rng.normal(size=(4 * h, 4 * w, 3)).astype(np.float32) for h, w in ((3, 5), (7, 2), (1, 1))
    ]


def test_an_image_of_the_grid_is_that_of_a_vit(make, run):
    vit = make(ViT, new=True, **OPTIONS, image_size=(12, 20))
    flex = make(NaFlexViT, new=True, **OPTIONS, grid=(3, 5))
    image = images()[0]
    expected = run(vit, image[None])
    found = run(flex, listed(image, 20)[None])
    np.testing.assert_allclose(found.pooled, expected.pooled, atol=1e-5)
    np.testing.assert_allclose(found.tokens[:, :15], expected.tokens, atol=1e-5)


@pytest.mark.parametrize("pool", ["map", "mean", "cls"])
def test_images_of_a_batch_embed_as_they_do_alone(pool, make, run):
    flex = make(NaFlexViT, **{**OPTIONS, "pool": pool}, grid=(4, 4), registers=1)
    together = np.asarray(run(flex, np.stack([listed(image, 24) for image in images()])).pooled)
    for own, image in zip(together, images(), strict=True):
        alone = run(flex, listed(image)[None]).pooled[0]
        np.testing.assert_allclose(own, alone, atol=1e-5)


def test_the_order_of_patches_does_not_matter(make, run):
    flex = make(NaFlexViT, **OPTIONS, grid=(4, 4))
    rows = listed(images()[0], 18)
    mixed = rows[np.random.default_rng(0).permutation(18)]
    want = run(flex, rows[None]).pooled
    np.testing.assert_allclose(run(flex, mixed[None]).pooled, want, atol=1e-5)

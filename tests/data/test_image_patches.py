"""Images of any shape as listed patches."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image
from third_party import needs

from mmjax.data.records import BadExample
from mmjax.data.views import ImagePatchesView, ImageView
from mmjax.data.views.image_patches import grid_of

SIZES = [(100, 50), (50, 100), (333, 77), (16, 16), (640, 427), (8, 900), (1, 1), (5000, 4999)]


def picture(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).resize((width, height))


def encoded(image):
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_a_grid_is_as_large_as_it_may_be_and_keeps_the_shape(size):
    width, height = size
    rows, columns = grid_of(height, width, 16, 256)
    assert rows * columns <= 256
    if size != (1, 1):  # which would have to be more than a hundred times as large
        assert (rows + 1) * (columns + 1) > 256
    if min(rows, columns) > 4:  # otherwise whole patches are too coarse
        assert rows / columns == pytest.approx(height / width, rel=0.15)


def test_shapes_beyond_all_bounds_have_patches_still():
    assert grid_of(80_000_000, 1, 2, 6) == (6, 1)
    assert grid_of(1, 80_000_000, 2, 6) == (1, 6)


def test_patches_are_pixels_of_the_squashed_image():
    view = pickle.loads(pickle.dumps(ImagePatchesView(patch=4, max_patches=30)))
    value = encoded(picture(60, 35))
    found = view(value, None, False)
    assert found.shape == view.shape == (30, 50)
    rows, columns = grid_of(35, 60, 4, 30)
    assert (rows, columns) == (4, 7)
    whole = ImageView(size=(16, 28), fit="squash", interpolation="bilinear")(value, None, False)
    for n in range(28):
        row, column = divmod(n, 7)
        assert found[n, :2].tolist() == [row, column]
        own = whole[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(found[n, 2:].reshape(4, 4, 3), own)
    assert np.isnan(found[28:]).all()
    assert not np.isnan(found[:28]).any()


def test_in_training_images_are_mirrored():
    view, value = ImagePatchesView(patch=4, max_patches=4, flip=1.0), encoded(picture(8, 8))
    plain, turned = view(value, None, False), view(value, np.random.default_rng(0), True)
    images = [x[:, 2:].reshape(2, 2, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(8, 8, 3)
              for x in (plain, turned)]  # fmt: skip
    np.testing.assert_array_equal(images[1], images[0][:, ::-1])


def test_what_is_no_image_is_refused():
    with pytest.raises(BadExample, match="are no image"):
        ImagePatchesView()(b"abc", None, False)
    with pytest.raises(BadExample, match="more than max_pixels=99"):
        ImagePatchesView(max_pixels=99)(encoded(picture(10, 10)), None, False)


@pytest.mark.parametrize("size", SIZES[:-1])
def test_they_are_those_of_transformers_to_the_last_bit(size):
    needs("torch")
    needs("torchvision")
    transformers = needs("transformers")
    processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=60)
    image = picture(*size)
    theirs = processor(images=image, return_tensors="np")
    found = ImagePatchesView(patch=8, max_patches=60, preprocessing="transformers")(
        encoded(image), None, False
    )
    there = ~np.isnan(found[:, 0])
    np.testing.assert_array_equal(there, theirs["pixel_attention_mask"][0].astype(bool))
    np.testing.assert_array_equal(found[there, :2].max(0) + 1, theirs["spatial_shapes"][0])
    np.testing.assert_array_equal(found[there, 2:], theirs["pixel_values"][0][there])

"""Images of which a table's boxes are the examples."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from mmjax.data import BadExample, SourceError
from mmjax.data.sources import MemorySource
from mmjax.data.views import ImageView

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def source(tmp_path, boxes, content=None):
    (tmp_path / "a.png").write_bytes(png(PIXELS) if content is None else content)
    files = [str(tmp_path / "a.png")] * len(boxes)
    return MemorySource(data={"image": files}, files=("image",), boxes={"image": boxes})


def test_a_box_is_left_top_width_and_height(tmp_path):
    found = pickle.loads(pickle.dumps(source(tmp_path, [(3, 5, 20, 10), [0, 0, 40, 30]])))
    np.testing.assert_array_equal(found[0]["image"], PIXELS[5:15, 3:23])
    np.testing.assert_array_equal(found[1]["image"], PIXELS)
    view = ImageView(size=8)
    alone = view(png(PIXELS[5:15, 3:23]), None, False)
    np.testing.assert_array_equal(view(found[0]["image"], None, False), alone)


def test_what_lies_outside_of_the_image_is_black(tmp_path):
    found = source(tmp_path, [(-4, 20, 10, 20)])[0]["image"]
    expected = np.zeros((20, 10, 3), np.uint8)
    expected[:10, 4:] = PIXELS[20:, :6]
    np.testing.assert_array_equal(found, expected)


def test_boxes_are_of_images_as_they_are_seen(tmp_path):
    """With an EXIF orientation, of the upright image."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(file, "png", exif=exif)
    found = source(tmp_path, [(0, 0, 30, 8)], file.getvalue())[0]["image"]
    np.testing.assert_array_equal(found, np.rot90(PIXELS, -1)[:8])


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((40, 0, 5, 5), "no part of the image, which has 40 x 30 pixels"),
        ((0, -5, 5, 5), "no part of the image"),
        ((0, 0, 0, 5), "no part of the image"),
        ((0, 0, 1e9, 1e9), "no part of the image"),
        ((0, 0, 5), "left, top, width and height, not"),
        ((0, 0, 5, float("nan")), "left, top, width and height, not"),
        (None, "left, top, width and height, not None"),
    ],
)
def test_what_is_no_box(tmp_path, box, said):
    with pytest.raises(BadExample, match=f"memory row 0: image: .*{said}"):
        source(tmp_path, [box])[0]


def test_damaged_images_and_boxes_of_nothing(tmp_path):
    with pytest.raises(BadExample, match="memory row 0: image: the 4 bytes"):
        source(tmp_path, [(0, 0, 1, 1)], b"abcd")[0]
    with pytest.raises(SourceError, match="boxes names 'picture', which data does not have"):
        MemorySource(data={"image": [b""]}, boxes={"picture": [(0, 0, 1, 1)]})
    with pytest.raises(SourceError, match=r"differ in length: .*'boxes of image': 2"):
        MemorySource(data={"image": [b""]}, boxes={"image": [(0, 0, 1, 1)] * 2})


def test_files_of_alternatives_are_all_read(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    files = [[str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "b")]
    found = MemorySource(data={"image": files}, files=("image",))
    assert [found[0]["image"], found[1]["image"]] == [[b"a", b"b"], b"b"]
    found = MemorySource(data={"image": [[str(tmp_path / "none")]]}, files=("image",))
    with pytest.raises(BadExample, match=r"row 0: image: the file .*none does not exist"):
        found[0]

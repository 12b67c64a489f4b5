"""Images prepared exactly as transformers and open_clip prepare them, from files of any shape."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from third_party import needs

from mmjax.data.views import ImageView
from mmjax.data.views.image_libraries import by_torch
from mmjax.errors import ConfigError

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
METHODS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# (width, height): larger, smaller and thinner than the view, and of it on one side.
SIZES = ((157, 91), (90, 201), (17, 13), (300, 31), (24, 24), (24, 57), (53, 24))


def picture(size, seed=0):
    """Waves of all lengths with some noise, so that rounding has something to differ in."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*(np.arange(n) for n in size))
    waves = [np.sin(x / a + y / b + c) for a, b, c in rng.uniform(0.5, 9, (3, 3))]
    values = 127 + 100 * np.stack(waves, -1) + 40 * rng.normal(size=(*x.shape, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def files(size):
    """The picture as the bytes of files, and as those files decode."""
    for kind in ("PNG", "JPEG"):
        stream = io.BytesIO()
        picture(size).save(stream, kind)
        yield stream.getvalue(), Image.open(stream)


def ours(data, library, **options):
    view = ImageView(mean=MEAN, std=STD, preprocessing=library, **options)
    return view(data, None, False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_as_open_clip(size, method):
    library = needs("open_clip")
    cases = (
        (24, "crop", "shortest"),
        ((24, 36), "crop", "shortest"),  # bicubic, whatever is asked for
        ((24, 36), "squash", "squash"),
        (24, "pad", "longest"),
    )
    for data, decoded in files(size):
        for wanted, fit, mode in cases:
            transform = library.image_transform(
                wanted, False, MEAN, STD, resize_mode=mode, interpolation=method
            )
            expected = transform(decoded).numpy().transpose(1, 2, 0)
            options = {"size": wanted, "fit": fit, "interpolation": method, "background": "black"}
            np.testing.assert_array_equal(ours(data, "open_clip", **options), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_as_transformers(size, method):
    needs("torchvision")
    library = needs("transformers")
    resample = METHODS[method]
    common = {"image_mean": MEAN, "image_std": STD, "resample": resample}
    clip = library.CLIPImageProcessor(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, **common
    )
    larger = library.CLIPImageProcessor(
        size={"shortest_edge": 29}, crop_size={"height": 24, "width": 24}, **common
    )
    siglip = library.SiglipImageProcessor(size={"height": 24, "width": 36}, **common)
    for data, decoded in files(size):
        for processor, options in (
            (clip, {"size": 24}),
            (larger, {"size": 24, "shortest": 29}),
            (siglip, {"size": (24, 36), "fit": "squash"}),
        ):
            expected = processor(images=decoded, return_tensors="np").pixel_values[0]
            values = ours(data, "transformers", interpolation=method, **options)
            np.testing.assert_array_equal(values, expected.transpose(1, 2, 0))


@settings(deadline=None, max_examples=60)
@given(
    old=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    new=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    method=st.sampled_from(list(METHODS)),
    seed=st.integers(0, 99),
)
def test_the_kernel_is_torchs(old, new, method, seed):
    torch = needs("torch")
    image = picture(old, seed)
    x = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None]
    options = {"mode": method, "align_corners": False, "antialias": True}
    expected = torch.nn.functional.interpolate(x, size=list(new), **options)[0].permute(1, 2, 0)
    found = np.asarray(by_torch(image, new, METHODS[method]))
    np.testing.assert_array_equal(found, expected.numpy())


def test_the_middle_of_a_shorter_side():
    """`shortest` means the same to the view's own sampling."""
    x = np.zeros((40, 60, 3), np.uint8)
    x[10:30, 20:40] = 255  # the middle half
    options = {"size": 20, "shortest": 40, "interpolation": "bilinear"}
    for library in ("own", "open_clip", "transformers"):
        values = ImageView(preprocessing=library, **options)(x, None, False)
        np.testing.assert_allclose(values, 1.0, atol=1e-6)


def test_training_with_a_random_region_is_the_views_own():
    data = next(files((157, 91)))[0]
    options = {"size": 24, "crop_scale": (0.5, 1.0)}
    views = [ImageView(preprocessing=p, **options) for p in ("own", "open_clip")]
    a, b = (view(data, np.random.default_rng(3), True) for view in views)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 24, "fit": "pad", "preprocessing": "transformers"}, "is for fit='squash', or"),
        ({"size": (24, 30), "preprocessing": "transformers"}, "is for fit='squash', or"),
        ({"size": 24, "shortest": 20}, "shortest=20 is for fit='crop', and not below size"),
        ({"size": 24, "shortest": 30, "fit": "pad"}, "shortest=30 is for fit='crop'"),
    ],
)
def test_what_no_library_does_is_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        ImageView(**options)

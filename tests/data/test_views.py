"""Views: images of every kind, captions and vectors become arrays of fixed shape, or errors."""

import io
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmjax.data import BadExample
from mmjax.data.formats.images import EncodedImage
from mmjax.data.registry import VIEWS
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView, VectorView
from mmjax.data.views.image import turn_hue
from mmjax.data.views.rand_augment import OPERATIONS

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


def encode(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def scene(width=30, height=20):
    """An image without symmetry: red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x + 90], -1).astype(np.uint8))


def decode(content, **options):
    return np.asarray(EncodedImage(content, 10**6).decode(**options))


def rng(seed=0):
    return np.random.default_rng(seed)


def show(view, value, seed=None):
    """The view in values of 0..255."""
    x = view(value, None if seed is None else rng(seed), seed is not None)
    assert x.shape == view.shape
    assert x.dtype == view.dtype
    return (x + 1) * 127.5


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_decodes_to_the_picture(kind):
    flat = Image.new("RGB", (13, 9), (200, 40, 90))
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(encode(flat, kind, **options))
    assert pixels.shape == (9, 13, 3)
    np.testing.assert_allclose(pixels, np.broadcast_to((200, 40, 90), (9, 13, 3)), atol=4)


def test_modes_become_rgb_with_the_right_colours():
    def one(mode, colour, kind="PNG", **options):
        return decode(encode(Image.new(mode, (4, 3), colour), kind, **options))[0, 0].tolist()

    assert one("L", 77) == [77] * 3
    assert one("1", 1) == [255] * 3
    assert one("LA", (77, 128)) == [77, 77, 77, 128]
    assert one("CMYK", (0, 255, 255, 0), "TIFF") == [255, 0, 0]
    red = one("CMYK", (0, 255, 255, 0), "JPEG")  # Adobe writes these inverted
    assert red[0] > 240
    assert max(red[1:]) < 15
    sixteen = Image.fromarray(np.full((3, 4), 0x8070, np.uint16))
    for kind in ("PNG", "TIFF"):
        assert decode(encode(sixteen, kind))[0, 0].tolist() == [0x80] * 3  # scaled, not clipped
    wide = Image.fromarray(np.full((3, 4), 70_000, np.int32))
    for image in (wide, Image.new("F", (4, 3), 0.5)):
        with pytest.raises(BadExample, match="no known range"):
            decode(encode(image, "TIFF"))


def test_palettes_with_transparency_and_animations():
    palette = Image.new("P", (4, 3), 1)
    palette.putpalette([0, 0, 0, 250, 10, 20])
    assert decode(encode(palette))[0, 0].tolist() == [250, 10, 20]
    clear = encode(palette, transparency=1)
    assert decode(clear)[0, 0].tolist() == [250, 10, 20, 0]
    for background, shade in (("white", 255), ("black", 0), ("grey", 128)):
        np.testing.assert_allclose(show(ImageView(size=2, background=background), clear), shade)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    for kind in ("GIF", "WEBP"):
        movie = encode(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(movie)[4, 4, :3].tolist() == [250, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_their_exif_says(orientation):
    upright = scene(32, 16)
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # tag -> how Pillow brings it into that state
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(turn[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})):
        content = encode(stored, kind, exif=exif, **options)
        opened = EncodedImage(content, 10**6)
        assert (opened.width, opened.height) == (32, 16)
        pixels = np.asarray(opened.decode(), float)
        assert np.abs(pixels - np.asarray(upright, float)).mean() < 4
        small = show(ImageView(size=(4, 8)), content)
        assert (np.diff(small[..., 0].mean(0)) > 0).all()  # red grows to the right
        assert (np.diff(small[..., 1].mean(1)) > 0).all()  # green grows downwards
    broken = encode(upright, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert decode(broken).shape == (16, 32, 3)


def test_pictures_that_would_take_all_memory_are_refused_before_decoding():
    content = encode(Image.new("1", (3000, 3000)))
    assert len(content) < 3000
    with pytest.raises(BadExample, match=r"3000 x 3000 pixels, more than max_pixels=1000000"):
        show(ImageView(size=8, max_pixels=10**6), content)
    bomb = bytearray(encode(Image.new("1", (30, 30))))
    bomb[16:24] = (2**20).to_bytes(4, "big") * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadExample, match=r"too large|no image"):
            show(ImageView(size=8), bytes(bomb))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "the 0 bytes"),
        (b"GIF89a", "no image that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image that can be read"),
        ("dog.jpg", "not a str"),
        (None, "not a NoneType"),
        (np.zeros((3, 3)), "uint8"),
        (np.zeros((3, 3, 2), np.uint8), "uint8"),
        (np.zeros((0, 3, 3), np.uint8), "uint8"),
        ([], "alternatives is empty"),
    ],
)
def test_what_is_no_picture_is_a_bad_example(value, message):
    with pytest.raises(BadExample, match=message):
        show(ImageView(size=4), value)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_cut_picture_is_refused_or_whole(kind):
    content = encode(Image.fromarray(rng().integers(0, 256, (12, 17, 3), dtype=np.uint8)), kind)
    whole = decode(content)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in range(len(content)):
            try:
                np.testing.assert_array_equal(decode(content[:length]), whole)
            except BadExample:
                refused += 1
    assert refused > len(content) - 25


def test_evaluation_shows_all_of_a_picture_as_fit_says():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255  # the middle third
    assert show(ImageView(size=10), wide).min() > 254
    squashed = show(ImageView(size=(10, 30), fit="squash"), wide)
    np.testing.assert_allclose(squashed, wide, atol=1e-3)
    padded = show(ImageView(size=30, fit="pad", background="grey"), wide)
    np.testing.assert_allclose(padded[[0, 9, 20, 29]], 128, atol=1e-3)
    np.testing.assert_allclose(padded[11:19], wide[1:9], atol=1e-3)
    normal = ImageView(size=10, mean=(0.1, 0.2, 0.3), std=(1, 2, 4))(wide, None, False)
    np.testing.assert_allclose(normal[0, 0], [0.9, 0.4, 0.175], rtol=1e-6)


def test_a_large_jpeg_decodes_smaller_to_the_same_view():
    content = encode(scene(800, 600), "JPEG", quality=95)
    view = ImageView(size=50)
    reference = np.asarray(scene(800, 600).crop((100, 0, 700, 600)).resize((50, 50)), float)
    assert EncodedImage(content, 10**6).decode(600 / 50).size == (100, 75)
    assert np.abs(show(view, content) - reference).max() < 4


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), wide=st.integers(8, 60), high=st.integers(8, 60))
def test_a_random_region_has_the_asked_share_and_shape(seed, wide, high):
    view = ImageView(size=16, crop_scale=(0.2, 0.6), crop_ratio=(0.5, 2))
    u = rng(seed).random(16, np.float32).tolist()
    left, top, width, height = view._region((wide, high), u)
    assert left >= 0
    assert top >= 0
    assert left + width <= wide + 1e-3
    assert top + height <= high + 1e-3
    assert 0.499 < width / height < 2.001
    share = width * height / (wide * high)
    touches = width > wide - 1e-3 or height > high - 1e-3
    assert share < 0.601
    assert share > 0.199 or touches  # a long region in a long image the other way is shrunk


def test_a_region_is_what_is_cut_out_and_flips_mirror_it():
    image = scene(64, 64)
    view = ImageView(size=16, crop_scale=(0.25, 0.25), crop_ratio=(1, 1))
    u = rng(3).random(16, np.float32).tolist()
    left, top, _, _ = view._region((64, 64), u)
    x = show(view, encode(image), seed=3)
    # Red is 255 / 63 for each pixel to the right; the view has two pixels of it in one of its own.
    assert x[8, :, 0].mean() == pytest.approx((left + 16 - 0.5) * 255 / 63, abs=1.5)
    assert x[:, 8, 1].mean() == pytest.approx((top + 16 - 0.5) * 255 / 63, abs=1.5)
    mirrored = ImageView(size=16, crop_scale=(0.25, 0.25), crop_ratio=(1, 1), flip=1.0)
    np.testing.assert_allclose(show(mirrored, encode(image), seed=3), x[:, ::-1], atol=1e-3)


def test_turning_and_looking_past_the_edge():
    image = np.full((40, 40, 3), 10, np.uint8)
    image[:20] = 240  # light above
    turned = ImageView(size=20, rotate=90, background="grey")
    angles = [np.degrees(np.arctan2(*_gradient(show(turned, image, seed)))) for seed in range(40)]
    assert np.min(angles) < -60
    assert np.max(angles) > 60
    assert np.abs(angles).max() < 95
    beyond = ImageView(size=20, crop_scale=(4, 4), crop_ratio=(1, 1), background="black")
    shares = [(show(beyond, np.full((40, 40, 3), 250, np.uint8), s) > 100).mean() for s in range(9)]
    np.testing.assert_allclose(shares, 0.25, atol=0.06)


def _gradient(x):
    """How much lighter (right than left, top than bottom)."""
    grey = x[5:15, 5:15].mean(-1)
    return grey[:, 5:].mean() - grey[:, :5].mean(), grey[:5].mean() - grey[5:].mean()


def _colours_slowly(pixels, view, u):
    """The documented order, one step after the other, without clipping between."""
    low = lambda v, most: 1 + (2 * v - 1) * most  # noqa: E731
    grey = np.array([0.299, 0.587, 0.114])
    x = pixels.astype(float) * low(u[2], view.brightness)
    factor = low(u[3], view.contrast)
    x = factor * x + (1 - factor) * (x @ grey).mean()
    factor = low(u[4], view.saturation)
    x = factor * x + (1 - factor) * (x @ grey)[..., None]
    angle = 2 * np.pi * low(u[5], view.hue) - 2 * np.pi
    axis = np.ones(3) / np.sqrt(3)
    x = (
        x * np.cos(angle)
        + np.cross(axis, x) * np.sin(angle)
        + (x @ axis)[..., None] * axis * (1 - np.cos(angle))
    )
    if u[0] < view.grayscale:
        x = np.repeat((x @ grey)[..., None], 3, -1)
    return np.clip(x, 0, 255)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), gray=st.sampled_from([0.0, 1.0]))
def test_colour_jitter_is_brightness_contrast_saturation_and_hue_in_this_order(seed, gray):
    view = ImageView(size=8, brightness=0.4, contrast=0.5, saturation=0.6, hue=0.2, grayscale=gray)
    pixels = rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    u = rng(seed).random(16, np.float32).tolist()
    expected = _colours_slowly(pixels, view, u[9:])
    np.testing.assert_allclose(show(view, pixels, seed), expected, atol=0.02)


def test_hue_turns_red_to_green_and_keeps_grey():
    third = turn_hue(1 / 3)
    np.testing.assert_allclose(np.float32([255, 0, 0]) @ third, [0, 255, 0], atol=1e-3)
    np.testing.assert_allclose(np.float32([9, 9, 9]) @ turn_hue(0.123), [9, 9, 9], atol=1e-5)


def test_probabilities_are_met():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, 0] = 250
    count = 400
    views = ImageView(size=8, flip=0.3, grayscale=0.2, jitter=0.5, brightness=0.9)
    seen = [show(views, image, seed) for seed in range(count)]
    flipped = np.mean([x[..., 4:, :].sum() > x[..., :4, :].sum() for x in seen])
    grey = np.mean([np.ptp(x, -1).max() < 1e-3 for x in seen])
    plain = np.mean([abs(x.max() - 250) < 1e-3 for x in seen])
    assert flipped == pytest.approx(0.3, abs=0.08)
    assert grey == pytest.approx(0.2, abs=0.08)
    assert plain == pytest.approx(0.5 * 0.8, abs=0.08)
    clear = np.zeros((8, 8, 4), np.uint8)
    behind = ImageView(size=8, background="black", random_background=0.6)
    coloured = np.mean([show(behind, clear, seed).max() > 0 for seed in range(count)])
    assert coloured == pytest.approx(0.6, abs=0.08)


def test_kept_pixels_give_the_same_views(monkeypatch):
    contents = [encode(scene(20, 20)), encode(scene(200, 200)), encode(scene(20, 20).convert("LA"))]
    options = {"size": 16, "crop_scale": (0.3, 1), "flip": 0.5, "brightness": 0.2}
    plain, keeps = ImageView(**options), ImageView(**options, cache_decoded=True)
    for repeat in range(2):
        for content in contents:
            seed = repeat
            np.testing.assert_array_equal(show(plain, content, seed), show(keeps, content, seed))
    assert set(keeps._cache) == {contents[0], contents[2]}  # the large one is not kept
    monkeypatch.setattr("mmjax.data.views.image.EncodedImage", None)
    show(keeps, contents[0], 3)  # without decoding


def test_views_survive_the_way_to_a_worker():
    view = ImageView(size=8, crop_scale=(0.5, 1), cache_decoded=True)
    show(view, encode(scene()), 0)
    copy = pickle.loads(pickle.dumps(view))
    assert not copy._cache
    np.testing.assert_array_equal(show(view, encode(scene()), 1), show(copy, encode(scene()), 1))


def test_captions_become_padded_ids_with_their_marks():
    view = TextView(tokenizer=BytesTokenizer(), length=6)
    assert view("ab", None, False).tolist() == [2, 101, 102, 3, 0, 0]
    assert view("abcdefgh", None, False).tolist() == [2, 101, 102, 103, 104, 3]
    assert view("  a \n b ", None, False).tolist() == [2, 101, 36, 102, 3, 0]
    bare = TextView(tokenizer=BytesTokenizer(), length=3, bos=False, eos=False, lowercase=True)
    assert bare("AB", None, False).tolist() == [101, 102, 0]
    assert bare(["x", "y"], None, False).tolist() == bare("x", None, False).tolist()
    drawn = {bare(["x", "y", "z"], rng(seed), True)[0] for seed in range(30)}
    assert len(drawn) == 3
    first = TextView(tokenizer=BytesTokenizer(), length=3, caption="first")
    assert {first(["x", "y"], rng(seed), True)[1] for seed in range(9)} == {124}


def test_other_captions_join_the_first_in_training_only():
    captions, rng = ["dog face", "pet", "animal"], np.random.default_rng(0)

    class Texts(BytesTokenizer):
        def encode(self, text):
            seen.append(text)
            return super().encode(text)

    seen = []
    view = TextView(tokenizer=Texts(), length=40, caption="first", join_prob=0.5)
    for _ in range(200):
        view(captions, rng, True)
    expected = {
        "dog face",
        "dog face, pet",
        "dog face, animal",
        "dog face, pet, animal",
        "dog face, animal, pet",
    }
    assert set(seen) == expected
    # Each of the two others joins half of the captions.
    assert 160 < sum(text.count(",") for text in seen) < 240
    seen.clear()
    view(captions, rng, False)
    view("a dog", rng, True)
    assert seen == ["dog face", "a dog"]


def test_templates_are_put_around_training_captions_only():
    view = TextView(
        tokenizer=BytesTokenizer(), length=20, templates=("a {}", "{} b"), template_prob=0.5
    )
    said = [BytesTokenizer().decode(view("cat", rng(seed), True)) for seed in range(200)]
    assert {x: said.count(x) for x in set(said)} == pytest.approx(
        {"cat": 100, "a cat": 50, "cat b": 50}, abs=30
    )
    assert BytesTokenizer().decode(view("cat", None, False)) == "cat"
    with pytest.raises(ValueError, match=r"should hold \{\} once"):
        TextView(tokenizer=BytesTokenizer(), length=9, templates=("a photo",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "empty"),
        (" \u2003\n", "empty"),
        (5, "a int, not text"),
        (None, "a NoneType"),
        ([], "alternatives is empty"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_what_is_no_caption_is_a_bad_example(value, message):
    with pytest.raises(BadExample, match=message):
        TextView(tokenizer=BytesTokenizer(), length=9)(value, None, False)


def test_a_caption_that_leaves_no_token_is_a_bad_example():
    class Deaf(BytesTokenizer):
        def encode(self, text):
            return []

    with pytest.raises(BadExample, match="finds nothing in the caption 'hm'"):
        TextView(tokenizer=Deaf(), length=9)("hm", None, False)


def test_a_caption_of_a_megabyte_costs_no_more_than_a_long_one():
    asked = []

    class Counting(BytesTokenizer):
        def encode(self, text):
            asked.append(len(text))
            return super().encode(text)

    TextView(tokenizer=Counting(), length=10)("word " * 200_000, None, False)
    assert asked == [640]


def test_vectors_get_fresh_noise_in_training_only():
    view = VectorView(dim=3, noise=0.5)
    x = np.array([1.0, -2.0, 0.5])
    np.testing.assert_array_equal(view(x, None, False), np.float32(x))
    noise = np.stack([view(x, rng(seed), True) - x for seed in range(2000)])
    assert noise.dtype == np.float64
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(noise.T), 0.25 * np.eye(3), atol=0.03)
    unit = VectorView(dim=3, noise=0.5, normalize=True)(x, rng(), True)
    assert np.linalg.norm(unit) == pytest.approx(1)
    for bad, message in (
        ([1, 2], "its shape is \\[2\\]"),
        ([1, np.inf, 2], "NaN or infinite"),
        ("abc", "no array of numbers"),
        (None, "no array of numbers|not a vector|shape|NaN"),
    ):
        with pytest.raises(BadExample, match=message):
            view(np.array(bad, object) if isinstance(bad, list) else bad, None, False)
    with pytest.raises(BadExample, match="no direction"):
        VectorView(dim=2, normalize=True)(np.zeros(2), None, False)


def test_numbers_are_left_out_in_training_only_and_before_the_noise():
    view, x = VectorView(dim=4, drop=0.2), np.array([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_array_equal(view(x, None, False), np.float32(x))
    seen = np.stack([view(x, rng(seed), True) for seed in range(2000)])
    assert set(np.unique(seen / x)) == {0, 1}
    np.testing.assert_allclose((seen == 0).mean(0), 0.2, atol=0.04)
    noisy = np.stack([VectorView(dim=4, drop=0.2, noise=0.3)(x, rng(s), True) for s in range(2000)])
    assert (noisy != 0).all()
    np.testing.assert_allclose((noisy - 0.8 * x).mean(0), 0, atol=0.15)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("image", {"size": 8, "crop_scale": (0.9, 0.1)}, "crop_scale"),
        ("image", {"size": 8, "blur_sigma": (2.0, 1.0)}, "two rising numbers"),
        ("text", {"tokenizer": None, "length": 8}, "needs a tokenizer"),
        ("text", {"tokenizer": BytesTokenizer(), "length": 2}, "no room"),
    ],
)
def test_options_that_make_no_sense_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        VIEWS[kind](**options)


def test_blur_is_gaussian_and_as_often_as_said():
    """The variance of a blurred point is sigma squared; what it sums to is kept."""
    point = np.zeros((41, 41, 3), np.uint8)
    point[18:23, 18:23] = 255  # of its own, 2 in each direction
    view = ImageView(size=41, blur=1.0, blur_sigma=(3.0, 3.0))
    x = show(view, point, 0)[..., 0]
    place = np.arange(41) - 20
    assert x.sum() == pytest.approx(25 * 255, rel=0.05)
    assert (x.sum(0) * place**2).sum() / x.sum() == pytest.approx(2 + 9, rel=0.15)
    view = ImageView(size=41, blur=0.5, blur_sigma=(1.0, 3.0))
    same = [np.array_equal(show(view, point, seed), show(view, point)) for seed in range(200)]
    assert 60 < sum(same) < 140


def test_random_operations_are_what_they_say():
    image = scene(40, 40)
    pixels = np.asarray(image, np.float32)
    every = [np.asarray(each(image, 0.7, 1), np.float32) for each in OPERATIONS]
    none, contrast, equal, bright, sharp, shear_x, shear_y, move_x, move_y, turned = every
    np.testing.assert_array_equal(none, pixels)
    assert (contrast[..., 0].min(), contrast[..., 0].max()) == (0, 255)
    assert np.abs(np.sort(equal[..., 1].ravel()) - np.linspace(0, 255, 1600)).max() < 15
    np.testing.assert_allclose(bright, np.clip(1.36 * pixels, 0, 255), atol=1.5)
    assert sharp.shape == pixels.shape
    # Each point shows another one of the same row or column.
    x, y = np.meshgrid(np.arange(40), np.arange(40))
    for found, fx, fy in (
        (shear_x, x + 0.21 * (y + 0.5), y),
        (shear_y, x, y + 0.21 * (x + 0.5)),
        (move_x, x + 7, y),
        (move_y, x, y + 7),
    ):
        inside = (fx >= 1) & (fx <= 38) & (fy >= 1) & (fy <= 38)
        step = 255 / 39
        np.testing.assert_allclose(found[inside][:, 0], step * fx[inside], atol=2)
        np.testing.assert_allclose(found[inside][:, 1], step * fy[inside], atol=2)
        outside = (fx > 40) | (fy > 40)
        assert (found[outside] == 128).all()
    np.testing.assert_array_equal(turned[0, 0], (128, 128, 128))
    # Half of the operations are not done, and each is as likely as another.
    view = ImageView(size=40, random_ops=1, magnitude=7.0)
    seen = pixels.astype(np.uint8)
    changed = sum(not np.allclose(show(view, seen, s), pixels, atol=0.6) for s in range(400))
    assert 130 < changed < 230  # 9 of 10 operations change something, half of the time

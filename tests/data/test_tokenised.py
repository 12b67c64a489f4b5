"""Tokens of many modalities: product codes, generated ones, and those of other records."""

import io

import numpy as np
import pytest
from PIL import Image

from mmjax.data import SOURCES, BadExample, SourceError, Tokenised
from mmjax.data.formats.product_codes import ProductCodes
from mmjax.data.sources import MemorySource
from mmjax.data.tokenised import Tokens
from mmjax.data.views import SlotsView


def test_product_codes_are_the_nearest_centres_of_each_part():
    rng = np.random.default_rng(0)
    corners = np.array([[-3, -3], [-3, 3], [3, -3], [3, 3]], np.float32)
    own = rng.integers(4, size=(500, 2))
    x = corners[own].reshape(500, 4) + 0.3 * rng.standard_normal((500, 4), np.float32)
    codes = ProductCodes(x, 2, 4, np.random.default_rng(3))
    numbers = codes(x)
    assert ((numbers >= [0, 4]) & (numbers < [4, 8])).all()  # the second part has its own
    found = numbers - [0, 4]
    for part in range(2):  # a centre is the mean of its rows, and the nearest to each of them
        centres, rows = codes.centres[part], x[:, 2 * part : 2 * part + 2]
        away = ((rows[:, None] - centres) ** 2).sum(-1)
        np.testing.assert_array_equal(found[:, part], away.argmin(1))
        means = [rows[found[:, part] == c].mean(0) for c in range(4)]
        np.testing.assert_allclose(centres, means, atol=0.05)
    with pytest.raises(ValueError, match="4 numbers cannot be cut into 3 parts"):
        ProductCodes(x, 3, 4, rng)
    with pytest.raises(ValueError, match="2 rows are too few for 4 codes"):
        ProductCodes(x[:2], 2, 4, rng)


def test_generated_tokens_tell_the_latent_and_those_with_noise_less():
    train, test = (SOURCES["tokenised_latents"](split=s, examples=1000) for s in ("train", "test"))
    slots, z = (np.stack([row[name] for row in train]) for name in ("slots", "teacher"))
    assert (slots.shape, z.shape) == ((1000, 35), (1000, 6))
    bounds = [(16 * (place % 4), 16 * (place % 4) + 15) for place in range(35)]
    np.testing.assert_array_equal(np.stack([slots.min(0), slots.max(0)], axis=1), bounds)
    # The means of z by a token, as a guess of z in another split, which shares the codes.
    other, wanted = (np.stack([row[name] for row in test]) for name in ("slots", "teacher"))
    assert np.abs(z[:5] - wanted[:5]).max() > 0.1

    def explained(places, numbers):
        left = 0
        for place in places:
            first = 16 * (place % 4)
            guess = np.stack([z[slots[:, place] == first + c].mean(0) for c in range(16)])
            left += ((wanted - guess[other[:, place] - first])[:, numbers] ** 2).mean()
        return 1 - left / len(places)

    assert explained([32], slice(0, 2)) > 0.8
    assert abs(explained([32], slice(2, 6))) < 0.1
    clean, noisy = explained(range(12), slice(6)), explained(range(12, 32), slice(6))
    assert clean > noisy + 0.05 > 0.1
    with pytest.raises(ValueError, match="latent=5 should be an even number"):
        SOURCES["tokenised_latents"](latent=5)


def png(*colours):
    """An image of 16 x 16 pixels, whose 8 x 8 patches have these colours."""
    pixels = np.array(colours, np.uint8).reshape(2, 1, 2, 1, 4)
    pixels = np.broadcast_to(pixels, (2, 8, 2, 8, 4)).reshape(16, 16, 4)
    content = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(content, "PNG")
    return content.getvalue()


RED, BLUE, GREEN = (255, 0, 0, 255), (0, 0, 255, 255), (0, 255, 0, 255)
NOTHING = (90, 90, 90, 0)
PARTS = {
    "image": Tokens("image", "patches", 4, 3),
    "palette": Tokens("image", "palette", 2, 64),
    "words": Tokens("text", "words", 3, 2),
    "kind": Tokens("kind", "label", 1, 3),
    "feature": Tokens("vector", "vector", 2, 4),
}


def records(texts, kinds, images):
    return MemorySource(data={"image": images, "text": texts}, labels={"kind": kinds})


FIT = dict(
    texts=["a red a", "a blue sea", None, "red"],
    kinds=["x", "y", "x", "z"],
    images=[png(RED, RED, RED, BLUE), png(BLUE, BLUE, BLUE, NOTHING), png(*[RED] * 4), None],
)


def tokenised(parts=PARTS, vectors=True, **changes):
    options = {"source": records(**FIT), "fit": Built(records(**FIT)), **changes}
    x = np.array([[0, 0], [0, 5], [9, 0], [9, 5]], np.float32)
    if vectors:
        given = MemorySource(data={"image": list(x)})
        options |= {"vectors": Built(given), "fit_vectors": Built(given)}
    return Tokenised(parts=parts, **options)


class Built:
    """A spec of a source that is there."""

    def __init__(self, source):
        self.source = source

    def build(self):
        return self.source


def test_tokens_of_images_texts_labels_and_vectors():
    source = tokenised()
    assert source.modalities == ("image", "text", "slots", "vector")
    rows = [row["slots"] for row in source]
    patches = np.stack([row[:4] for row in rows])
    red, blue, nothing = patches[0, 0], patches[0, 3], patches[1, 3]
    assert sorted((red, blue, nothing)) == [0, 1, 2]
    wanted = [[red, red, red, blue], [blue, blue, blue, nothing], [red] * 4, [-1] * 4]
    np.testing.assert_array_equal(patches, wanted)
    # Colours by how many pixels they have; 3 * 16 is red, and 3 is blue.
    np.testing.assert_array_equal(
        [row[4:6] for row in rows], [[48, 3], [3, -1], [48, -1], [-1] * 2]
    )
    # `a` is there three times and `red` twice; `blue` and `sea` are left out.
    np.testing.assert_array_equal(
        [row[6:9] for row in rows], [[0, 1, 0], [0, -1, -1], [-1] * 3, [1, -1, -1]]
    )
    np.testing.assert_array_equal([row[9] for row in rows], [0, 1, 0, 2])
    features = np.stack([row[10:] for row in rows])
    np.testing.assert_array_equal(features[:, 0] == features[0, 0], [True, True, False, False])
    np.testing.assert_array_equal(features[:, 1] == features[0, 1], [True, False, True, False])
    np.testing.assert_array_equal(source[3]["vector"], [9, 5])
    view = SlotsView(slots={name: (part.tokens, part.codes) for name, part in PARTS.items()})
    np.testing.assert_array_equal(view(rows[1], None, False), rows[1])


def test_tokenisers_are_those_of_the_records_that_they_are_made_of():
    given = dict(texts=["sea red", None], kinds=["z", "w"], images=[None, png(*[BLUE] * 4)])
    whole, part = tokenised(), tokenised(source=records(**given))
    blue = whole[0]["slots"][3]
    np.testing.assert_array_equal(part[1]["slots"][:4], [blue] * 4)
    np.testing.assert_array_equal(part[0]["slots"][6:10], [1, -1, -1, 2])
    assert part[1]["slots"][9] == -1  # a label that it does not know


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Tokens("image", "patches", 3, 2), r"parts.it: tokens=3 of patches should be a square"),
        (Tokens("image", "palette", 3, 9), r"parts.it: codes=9 of a palette should be 64"),
        (Tokens("kind", "label", 1, 2), r"parts.it: a label of 3 values needs tokens=1 and as"),
        (Tokens("vector", "vector", 2, 3), r"codes=3 of a vector should be a multiple of tokens=2"),
        (Tokens("vector", "vector", 3, 3), r"2 numbers cannot be cut into 3 parts"),
        (Tokens("sound", "words", 3, 2), r"no record of 'fit' has parts.it.field='sound'"),
    ],
)
def test_what_does_not_fit_is_said(part, message):
    with pytest.raises(SourceError, match=message):
        tokenised({"it": part})


def test_vectors_and_parts_are_there():
    given = Built(MemorySource(data={"image": [np.ones(2)]}))
    with pytest.raises(SourceError, match="'vectors' and 'fit_vectors' go together"):
        tokenised(vectors=False, fit_vectors=given)
    with pytest.raises(SourceError, match="'parts' names no modality"):
        tokenised({})


SLOTS = {"a": (2, 3), "b": (1, 300)}


def test_a_view_shows_some_modalities():
    x = np.array([2, -1, 299])
    np.testing.assert_array_equal(SlotsView(slots=SLOTS)(x, None, False), x)
    np.testing.assert_array_equal(SlotsView(slots=SLOTS, show=("b",))(x, None, True), [-1, -1, 299])
    np.testing.assert_array_equal(x, [2, -1, 299])
    for value, message in (
        ([1, 2], r"shape is \[2\], but the view takes \[3\]"),
        ([1, 3, 0], r"tokens of 'a' are from 0 to 2, or -1, but it has 1 to 3"),
        ([1, -2, 0], r"tokens of 'a' are from 0 to 2"),
        ([1, 0.5, 0], r"tokens are whole numbers"),
        ([1, float("nan"), 0], r"tokens are whole numbers"),
    ):
        with pytest.raises(BadExample, match=message):
            SlotsView(slots=SLOTS)(np.array(value), None, False)
    with pytest.raises(ValueError, match=r"show=\('c',\) names 'c', which is none of 'a', 'b'"):
        SlotsView(slots=SLOTS, show=("c",))
    with pytest.raises(ValueError, match="names no modality"):
        SlotsView(slots={})

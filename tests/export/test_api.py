"""The Python API on a run: encode, similarity and search."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import mmjax
from mmjax.errors import ConfigError


@pytest.fixture(scope="module")
def model(run_of):
    return mmjax.load(run_of("clip"))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]


@pytest.mark.smoke
def test_encode_gives_what_the_evaluators_see(model, pictures):
    from mmjax.system.embedder import Embedder

    found = model.encode(image=pictures)
    inputs = np.stack([model.view("image")(np.asarray(p), None, False) for p in pictures])
    embedder = Embedder(model.bundle.definition, model.bundle.arrays, model.bundle.mesh)
    expected = embedder.embed("image", inputs)
    assert found.shape == (5, 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_batches_and_padding_change_nothing(model, pictures, batch_size):
    whole = model.encode(image=pictures)
    np.testing.assert_allclose(
        model.encode(image=pictures, batch_size=batch_size), whole, atol=1e-6
    )


def test_texts_without_their_common_padding(model):
    texts = ["dog", "a very long name of a cat with a hat and with shoes and with a bag"]
    together = model.encode(text=texts)
    for i, text in enumerate(texts):
        np.testing.assert_allclose(model.encode(text=[text])[0], together[i], atol=1e-6)


def test_pictures_of_every_kind(model, pictures, tmp_path):
    picture = pictures[0]
    picture.save(tmp_path / "p.png")
    data = io.BytesIO()
    picture.save(data, "PNG")
    same = [
        picture,
        tmp_path / "p.png",
        str(tmp_path / "p.png"),
        data.getvalue(),
        np.asarray(picture),
    ]
    found = model.encode(image=same)
    for row in found[1:]:
        np.testing.assert_array_equal(row, found[0])
    stack = np.stack([np.asarray(p) for p in pictures])
    np.testing.assert_array_equal(model.encode(image=stack), model.encode(image=pictures))
    turned = Image.new("P", (9, 9))
    assert model.encode(image=[turned, picture.convert("L")]).shape == (2, 20)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_ready_inputs(model, pictures, kind):
    inputs = kind(model.prepare("image", [np.asarray(p) for p in pictures]))
    np.testing.assert_array_equal(model.encode(image=inputs), model.encode(image=pictures))


def test_search_is_a_full_sort(model):
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(7, 20)), rng.normal(size=(30, 20))
    gallery[11] = gallery[4] * 2  # a tie: the earlier one comes first
    query[0] = gallery[4]
    scores, positions = model.search(query, gallery, k=5, rows=3)
    cosines = model.similarity(query, gallery)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :5]
    assert positions[0, :2].tolist() == [4, 11]
    np.testing.assert_array_equal(positions[1:], order[1:])
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, positions, 1), atol=1e-6)
    assert model.search(query, jnp.asarray(gallery), k=100).positions.shape == (7, 30)
    assert model.search(np.zeros((0, 20)), gallery, k=2).scores.shape == (0, 2)


def test_logits(model):
    a, b = np.eye(3, 20), np.eye(3, 20)
    np.testing.assert_allclose(np.diag(model.logits(a, b)), np.exp(model.log_scale), rtol=1e-5)


def test_nothing_is_nothing(model):
    assert model.encode(text=[]).shape == (0, 20)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"audio": [1]}, "no tower for 'audio', only for image, text"),
        ({"text": ["a"], "image": []}, "takes one modality"),
        ({"text": "a dog"}, r"give a list, text=\[...\]"),
        ({"text": ["a", ""]}, r"text\[1\]: .*empty"),
        ({"text": ["a", 3]}, r"text\[1\]: .*int"),
        ({"image": ["no/such.png"]}, r"image\[0\]: .*No such file"),
        ({"image": [b"no picture"]}, r"image\[0\]: "),
    ],
)
def test_what_cannot_be_encoded_is_named(model, values, says):
    with pytest.raises(ConfigError, match=says):
        model.encode(**values)


def test_what_cannot_be_loaded(tmp_path, run_of):
    with pytest.raises(ConfigError, match="no folder or file"):
        mmjax.load(tmp_path / "none")
    with pytest.raises(ConfigError, match="no best checkpoint"):
        mmjax.load(run_of("clip"), checkpoint="best")

"""The Python API on a run: encode, similarity and search."""

import ast
import dataclasses
import io
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import mmjax
from mmjax.errors import ConfigError
from mmjax.evaluators.class_prompts import class_vectors
from mmjax.inference import model as model_lib
from mmjax.parallel import mesh as mesh_lib


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
        ({"txet": ["a dog"]}, "no tower for 'txet', only for image, text; did you mean 'text'?"),
        ({"texts": {"a": 1}}, "texts is a dict: give a list"),
        ({"texts": 3}, r"texts: 'int' object is not iterable; give a list, texts=\[...\]"),
        ({"texts": np.zeros((2, 16))}, r"float64, and an array is of inputs .* int32 \[2, 16\]"),
        ({"texts": np.full((2, 16), 2**40)}, "which is no id that a tower knows"),
        ({"texts": np.full((2, 16), 10**6)}, r"texts\[0\]: its embedding is not finite"),
        ({"images": np.zeros((40, 50, 3), np.uint8)}, r"give a list, images=\[...\]"),
        (
            {"images": np.zeros((2, 3, 32, 32))},
            r"does not take float32 \[2, 3, 32, 32\], but float32 \[N, 32, 32, 3\]",
        ),
        ({"images": np.zeros((2, 32, 32, 3), np.int64)}, "give raw values as a list"),
        ({"texts": ["a"], "batch_size": 1.5}, "batch_size=1.5: a whole number is needed"),
        ({"text": ["a", ""]}, r"text\[1\]: .*empty"),
        ({"text": ["a", 3]}, r"text\[1\]: .*int"),
        ({"image": ["no/such.png"]}, r"image\[0\]: the file no/such.png does not exist"),
        ({"images": ["https://a/b.png"]}, r"images\[0\]: .* is an address; .* download it first"),
        ({"image": [b"no picture"]}, r"image\[0\]: "),
    ],
)
def test_what_cannot_be_encoded_is_named(model, values, says):
    with pytest.raises(ConfigError, match=says):
        model.encode(**values)


def test_a_modality_has_a_plural(model, pictures):
    texts = ["a dog", "a cat"]
    np.testing.assert_array_equal(model.encode(texts=texts), model.encode(text=texts))
    np.testing.assert_array_equal(model.encode(images=pictures), model.encode(image=pictures))


class Tensor:
    """What a torch tensor on a GPU that wants gradients is to NumPy."""

    def __init__(self, array, ready=False):
        self.array, self.ready = array, ready

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.array, ready=True)

    def __array__(self, dtype=None, copy=None):
        if not self.ready:
            raise RuntimeError("can't convert cuda:0 device type tensor to numpy")
        return self.array


def test_values_may_come_in_any_container(model, pictures):
    texts = ["a dog", "a very long name of a cat with a hat", "a cat"]
    expected = model.encode(texts=texts)
    for given in (np.array(texts), np.array(texts, object), tuple(texts), (t for t in texts)):
        np.testing.assert_array_equal(model.encode(texts=given, batch_size=2), expected)
    arrays = [np.asarray(p) for p in pictures]
    expected = model.encode(images=pictures)
    for given in (map(Tensor, arrays), Tensor(np.stack(arrays)), iter(pictures)):
        np.testing.assert_array_equal(model.encode(images=given), expected)
    ready = Tensor(model.prepare("images", pictures))
    np.testing.assert_array_equal(model.encode(images=ready), expected)
    a, b = (
        model.similarity(Tensor(expected), expected.tolist()),
        model.similarity(expected, expected),
    )
    np.testing.assert_array_equal(a, b)


def test_a_generator_is_read_as_it_is_needed(model, pictures):
    read = []

    def values():
        for i, picture in enumerate(pictures * 2):
            read.append(i)
            yield picture if i < 3 else b"no picture"

    with pytest.raises(ConfigError, match=r"images\[3\]: "):
        model.encode(images=values(), batch_size=2)
    assert read == [*range(6)]  # one batch ahead, and no further


def test_pictures_are_read_while_the_model_computes(model, pictures, monkeypatch):
    expected, plain, begin = model.encode(image=pictures), model.view("image"), type(model).begin
    begun, read = threading.Event(), threading.Event()

    def view(value, *how):
        if value.shape[1] == 50 + 3:
            read.set()
        return plain(value[:, :50], *how)

    def slow(self, *batch):
        if not begun.is_set():
            begun.set()
            # The model has the first batch of two: those after it are read meanwhile.
            assert read.wait(30)
        return begin(self, *batch)

    monkeypatch.setattr(type(model), "begin", slow)
    monkeypatch.setattr(type(model), "view", lambda self, modality: view)
    own = [np.asarray(p) for p in pictures]
    own[3] = np.pad(own[3], ((0, 0), (0, 3), (0, 0)))
    found = model.encode(image=iter(own), batch_size=2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_texts_are_batched_by_length(model, monkeypatch):
    short, long = "a dog", "a very long name of a cat with a hat and with shoes and with a bag"
    texts, sizes = [short, long] * 4, []
    expected = model.encode(texts=texts)
    monkeypatch.setattr(
        "mmjax.inference.text_length._STEP", 1
    )  # the text view of the tests is not longer than a step
    begin = model._embedder.begin
    monkeypatch.setattr(
        model._embedder, "begin", lambda m, x, layer: sizes.append(x.shape[1]) or begin(m, x, layer)
    )
    found = model.encode(texts=texts, batch_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert sizes[0] < sizes[1] == 16


def test_the_bar_counts_values(model, pictures, monkeypatch):
    shown = []

    class Bar(model_lib.tqdm):
        def __init__(self, **options):
            super().__init__(file=io.StringIO(), **options)

        def __exit__(self, *error):
            shown.append(None if self.disable else (self.desc, self.n, self.total))
            super().__exit__(*error)

    monkeypatch.setattr(model_lib, "tqdm", Bar)
    for given, options in (
        (pictures[:2], {}),
        (pictures, {}),
        (iter(pictures), {}),
        (pictures, {"progress": False}),
    ):
        model.encode(images=given, batch_size=2, **options)
    of_all = ("encode images", 5, 5)
    assert shown == [None, of_all, ("encode images", 5, None), None]


def test_zero_shot_is_the_nearest_class(model, pictures):
    names, forms = np.array(["dog", "cat", "red heart"]), ["{}", "a photo of a {}"]
    labels, scores = model.zero_shot(pictures, names, forms)
    prompts = model.encode(texts=[f.format(n) for n in names for f in forms])
    vectors = prompts.reshape(3, 2, -1).mean(axis=1)
    expected = model.similarity(model.encode(images=pictures), vectors)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert labels == [names[c] for c in expected.argmax(axis=1)]
    again = model.zero_shot(["a dog"], ["a cat", "a dog"], modality="text")
    assert again.labels == ["a dog"]


@pytest.mark.parametrize(
    ("classes", "templates", "says"),
    [
        ("dog", ["{}"], r"give a list, classes=\[...\]"),
        ([], ["{}"], "classes is empty"),
        (["dog", 3], ["{}"], r"classes\[1\] is a int, not text"),
        (["dog"], "a {}", r"give a list, templates=\[...\]"),
        (["dog"], [], "templates is empty"),
        (["dog"], ["a dog"], "'a dog' must have exactly one {}"),
        (["dog"], ["{:d}"], "'{:d}' must have exactly one {}"),
        (["dog"], ["{0.x}"], "must have exactly one {}"),
        (["dog", ""], ["{}"], r"text\[1\]: the caption is empty"),
    ],
)
def test_what_is_no_class_or_template(model, pictures, classes, templates, says):
    with pytest.raises(ConfigError, match=says):
        model.zero_shot(pictures, classes, templates)


def test_class_vectors_that_cancel():
    with pytest.raises(ConfigError, match="the prompts of class 'b' cancel each other"):
        class_vectors(np.array([[1, 0], [0, 1], [0, -1]]), np.array([0, 1, 1]), "ab")


def test_several_devices_give_what_one_gives(model, pictures):
    assert model.bundle.mesh.size == jax.device_count() == 8
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    everywhere = mesh_lib.replicated(mesh)
    arrays = {p: jax.device_put(np.asarray(a), everywhere) for p, a in model.bundle.arrays.items()}
    one = mmjax.Model(dataclasses.replace(model.bundle, mesh=mesh, arrays=arrays))
    np.testing.assert_allclose(
        model.encode(images=pictures), one.encode(images=pictures), atol=1e-6
    )


def test_editors_see_what_is_loaded_late():
    """The names of the TYPE_CHECKING block are those that `__getattr__` gives."""
    tree = ast.parse(Path(mmjax.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {name.name for node in block.body[:1] for name in node.names}
    assert imported | {block.body[1].target.id} == set(mmjax.__all__)
    assert set(mmjax.__all__) <= set(dir(mmjax))
    assert all(hasattr(mmjax, name) for name in mmjax.__all__)
    assert mmjax.__version__[0].isdigit()
    assert not hasattr(mmjax, "laod")


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        (3, {}, "load takes a folder or a name, not a int"),
        ("x", {"dtype": "float16"}, "dtype='float16' is none of float32, bfloat16"),
        ("x", {"verify": 3}, "verify=3 is no folder"),
        ("", {}, "has no config.json"),
    ],
)
def test_what_load_does_not_take(path, options, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        mmjax.load(path, **options)


def test_what_cannot_be_loaded(tmp_path, run_of):
    with pytest.raises(ConfigError, match="no folder or file"):
        mmjax.load(tmp_path / "none")
    with pytest.raises(ConfigError, match="no best checkpoint"):
        mmjax.load(run_of("clip"), checkpoint="best")
    with pytest.raises(ConfigError, match="give latest, previous, best or a step"):
        mmjax.load(run_of("clip"), checkpoint="²")
    assert mmjax.load(run_of("clip"), checkpoint=2).modalities == ("image", "text")

"""Whatever a person gives the API: a result, or an error that says what to do."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import mmjax
from mmjax.errors import UserError

MANY = settings(max_examples=50, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def model(run_of):
    return mmjax.load(run_of("clip"))


class Odd:
    """No container, no array, no text."""

    def __repr__(self):
        return "odd"


def closed():
    image = Image.new("RGB", (3, 3))
    image.close()
    return image


def cut_off():
    data = io.BytesIO()
    Image.effect_noise((40, 40), 9).save(data, "PNG")
    return Image.open(io.BytesIO(data.getvalue()[:200]))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
    st.builds(Odd),
    st.builds(closed),
    st.builds(cut_off),
    st.sampled_from(["\ud800", "\0", "", "https://a.b/c.png", "{}", "{0}", ".", np.nan, Ellipsis]),
    st.sampled_from([int, np.float32(3), np.str_("a dog"), np.bytes_(b"a"), range(2), {1, 2}]),
)
shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
dtypes = st.sampled_from(
    ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "u8", "?", "c8", "U3", "S3", "O", "M8[s]"]
)
tables = st.builds(lambda dtype, shape: np.zeros(shape, dtype), dtypes, shapes)
several = st.lists(scalars, max_size=3)
containers = st.one_of(
    several,
    several.map(tuple),
    several.map(iter),
    several.map(lambda values: (v for v in values)),
    st.dictionaries(st.text(max_size=3), scalars, max_size=2),
    st.lists(several, max_size=2),
    st.lists(tables, max_size=2),
)
anything = st.one_of(scalars, tables, containers)


def tried(call, *arguments, **named):
    """The result of a call, or None where it ends in an error of the one kind."""
    try:
        return call(*arguments, **named)
    except UserError:
        return None


@MANY
@given(name=st.sampled_from(["image", "images", "text", "texts", "s", "x"]), values=anything)
def test_encode(model, name, values):
    found = tried(model.encode, **{name: values})
    if found is not None:
        assert found.shape[1] == 20
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@MANY
@given(number=scalars)
def test_numbers_of_rows(model, number):
    tried(model.encode, texts=["a dog", "a cat"], batch_size=number)
    tried(model.search, np.eye(3), np.eye(3), number)
    tried(model.search, np.eye(3), np.eye(3), rows=number)


@MANY
@given(a=anything, b=st.one_of(anything, st.just(np.eye(3))))
def test_embeddings(model, a, b):
    for call in (model.similarity, model.logits, model.search):
        tried(call, a, b)


@MANY
@given(classes=anything, templates=st.one_of(anything, st.lists(st.text(), max_size=2)))
def test_zero_shot(model, classes, templates):
    tried(model.class_embeddings, ["dog"], templates)
    tried(model.class_embeddings, classes)


@MANY
@given(name=scalars, values=anything)
def test_names(model, name, values):
    for call in (model.dim, model.view, model.prepare):
        tried(call, name, *([values] if call == model.prepare else ()))
    tried(model.zero_shot, values, ["dog"], modality=name if isinstance(name, str) else "image")


@MANY
@given(path=scalars, option=st.sampled_from(["checkpoint", "dtype", "verify"]), value=scalars)
def test_load(run_of, path, option, value, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "empty"
    folder.mkdir(exist_ok=True)
    tried(mmjax.load, f"{folder}/{path}")
    tried(mmjax.load, path if not isinstance(path, str) or "/" in path else folder)
    tried(mmjax.load, folder, **{option: value})

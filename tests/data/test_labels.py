"""Labels in a batch: for terms, without a tower."""

import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.data import BadExample, Source, TrainData
from mmjax.data.sources import ManifestSource
from mmjax.data.views import ArrayView, LabelSetView, LabelView, SequenceView, VectorView
from mmjax.errors import ConfigError


class Rows(Source):
    modalities = ("a",)
    label_fields = ("group",)

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return {"id": i, "key": f"row {i}", "a": np.full(2, i, np.float32), "group": i % 3}

    def describe(self):
        return "eight rows"


def test_a_label_is_in_the_batch_beside_what_is_embedded():
    views = {"a": VectorView(dim=2), "group": LabelView()}
    batch = TrainData(Rows(), views, batch_size=4, seed=0)[0]
    assert batch["group"].dtype == np.int32
    np.testing.assert_array_equal(batch["group"], batch["id"] % 3)
    assert batch["group_present"].all()


@pytest.mark.parametrize("value", ["cat", 1.5, [1], 2**40, True])
def test_what_is_no_integer_is_no_label(value):
    with pytest.raises(BadExample):
        LabelView()(value, None, False)


def test_labels_of_tables_are_texts_and_classes_have_names():
    assert LabelView()("17", None, False) == 17
    view = LabelView(classes=("cat", "dog"))
    assert view("dog", None, False) == 1
    for value in ("bird", 1):
        with pytest.raises(BadExample, match="none of the 2 classes"):
            view(value, None, False)
    with pytest.raises(ValueError, match="duplicate class name 'cat'"):
        LabelView(classes=("cat", "cat"))


def test_several_labels_are_padded_and_cut():
    view = LabelSetView(length=3)
    for value, want in (([5], [5, -1, -1]), ([], [-1] * 3), (np.arange(4), [0, 1, 2])):
        found = view(value, None, True)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, want)
    named = LabelSetView(length=2, classes=("cat", "dog"))
    np.testing.assert_array_equal(named(("dog", "cat"), None, False), [1, 0])
    for value in (5, "5", [[1]], [0.5], [-1]):
        with pytest.raises(BadExample):
            view(value, None, False)
    with pytest.raises(BadExample, match="none of the 2 classes"):
        named(["bird"], None, False)


@pytest.mark.parametrize(("length", "kept"), [(1, 1), (2, 1), (3, 2), (7, 4), (9, 5)])
def test_training_keeps_a_part_of_a_sequence(length, kept):
    view, x = SequenceView(length=8, dim=2, keep=0.5), np.arange(2 * length).reshape(length, 2) + 1
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        found = view(x, rng, True)
        rows = found[found.any(1)]
        assert len(rows) == kept
        assert (np.diff(rows[:, 0]) > 0).all()
        assert {*map(tuple, rows)} <= {*map(tuple, x[:8])}
        seen |= {*map(tuple, rows)}
    assert len(seen) == min(length, 8)
    np.testing.assert_array_equal(view(x, None, False)[: min(length, 8)], x[:8])


def test_an_array_is_taken_as_it_is():
    view = ArrayView(shape=(2, 3))
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(view(x, None, False), x.astype(np.float32))
    assert ArrayView(shape=())(2.5, None, False) == np.float32(2.5)
    for value in (x.T, x + np.nan, "1 2 3", x.astype(object) * 1j):
        with pytest.raises(BadExample):
            view(value, None, False)


def test_a_table_brings_vectors_as_files_and_labels_along(tmp_path):
    for i in range(6):
        np.save(tmp_path / f"{i}.npy", np.full(3, i, np.float32))
    np.save(tmp_path / "5.npy", np.array([{}], object), allow_pickle=True)
    rows = "\n".join(f"{i}.npy,{i % 2}" for i in range(6))
    (tmp_path / "table.csv").write_text(f"file,kind\n{rows}\n")
    source = ManifestSource(
        path=str(tmp_path / "table.csv"), columns={"a": "file"}, labels={"label": "kind"}
    )
    assert source.label_fields == ("label",)
    views = {"a": VectorView(dim=3), "label": LabelView()}
    data = TrainData(source, views, batch_size=6, seed=0)
    batch = data[0]
    order = np.argsort(batch["id"])
    np.testing.assert_array_equal(batch["label"][order], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(batch["a"][order][:5, 0], range(5))
    assert not batch["a_present"][order][5]  # pickled objects are not loaded


def test_only_labels_need_no_tower(tmp_path):
    recipe = tmp_path / "recipe.py"
    recipe.write_text(
        "def get_config(variant):\n"
        "    tower = {'encoder': {'type': 'mlp', 'inputs': 4, 'width': 4}}\n"
        "    vector = {'type': 'vector', 'dim': 4}\n"
        "    return {'recipe': 'r', 'variant': variant, 'paper': '', 'steps': 1,\n"
        "        'data': {'source': {'type': 'gaussian_latent'}, 'batch_size': 4,\n"
        "                 'views': {'a': vector, 'b': vector, 'group': {'type': 'label'}}},\n"
        "        'model': {'towers': {'a': tower, 'b': tower}},\n"
        "        'objectives': {'clip': {'type': 'info_nce', 'pairs': (('a', 'b'),)}},\n"
        "        'optimizer': {'learning_rate': 1e-3}}\n"
    )
    recipe_lib.load(str(recipe))
    with pytest.raises(ConfigError, match=r"data.views.group' has no tower"):
        recipe_lib.load(str(recipe), ["data.views.group={'type': 'vector', 'dim': 2}"])

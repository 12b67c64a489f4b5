"""Statistics of raw inputs: means and deviations without what is masked, and bags of words."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from mmjax.data.formats.signal import LEADS
from mmjax.data.views import (
    AudioView,
    EcgView,
    GraphView,
    LabelView,
    PixelsView,
    PointsView,
    SequenceView,
    SignalView,
    TextView,
    VectorView,
)
from mmjax.data.views.base import content
from mmjax.evaluators import input_statistics
from mmjax.evaluators.input_statistics import InputStatistics, features


class Words:
    """A tokenizer of numbers: word n is id n."""

    vocab_size, pad_id, unk_id, bos_id, eos_id = 100, 0, 1, 2, 3

    def encode(self, text):
        return list(map(int, text.split()))


def statistics(view, *values):
    arrays = np.stack([view(value, None, False) for value in values])
    return InputStatistics({"x": view}).embed("x", arrays)


def moments(x):
    x = np.asarray(x, np.float64)
    return np.concatenate([x.mean(0), x.std(0)])


def test_channels_of_an_image_have_a_mean_and_a_deviation():
    image = np.random.default_rng(0).integers(256, size=(4, 5, 3))
    found = statistics(PixelsView(size=(4, 5), channels=3), image)
    assert found[0] == pytest.approx(moments(image.reshape(20, 3) / 255), rel=1e-5)


def test_positions_that_are_masked_do_not_count():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 3))
    for view in (
        SequenceView(length=10, dim=3),
        PointsView(count=10, channels=3, normalize=False),
        SignalView(channels=3, length=10, rate=None),
    ):
        assert statistics(view, x)[0] == pytest.approx(moments(x), rel=1e-5), view
    # A channel that was not measured has no statistics, and the others have theirs.
    x[:, 1] = np.nan
    view = SignalView(channels=3, length=10, rate=None, max_missing=1)
    expected = np.where(np.arange(6) % 3 == 1, np.nan, moments(x))
    assert statistics(view, x)[0] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_leads_of_an_ecg_are_channels():
    x = np.random.default_rng(2).normal(size=(300, 12))
    view = EcgView(length=400, rate=100, source_rate=100, leads=LEADS)
    assert statistics(view, x)[0] == pytest.approx(moments(x), rel=1e-4, abs=1e-6)


def test_vectors_stay_as_they_are_and_labels_are_ids():
    x = np.arange(4.0)
    assert statistics(VectorView(dim=4), x)[0].tolist() == x.tolist()
    assert statistics(LabelView(classes=("cat", "dog")), "dog").tolist() == [[1]]


def test_a_sound_has_a_spectrum_which_is_the_same_whatever_it_is_padded_to():
    wave = np.sin(np.arange(4000) * 0.3).astype(np.float32)
    short, long = (statistics(AudioView(rate=8000, length=n), wave)[0] for n in (4000, 9000))
    half = len(short) // 2
    assert short == pytest.approx(long)
    # 0.3 radians a sample are 382 Hz, in steps of 40 Hz.
    assert short[:half].argmax() == long[:half].argmax() == round(0.3 / (2 * np.pi) * 8000 / 40)
    assert np.isfinite(statistics(AudioView(rate=8000, length=9000), wave[:50])).all()


def test_a_graph_is_its_counts():
    view = GraphView(nodes=4, categories=(3, 2), features=1, edges=2)
    array = np.zeros(view.shape, np.float32)
    # Nodes 0, 1, 2 with (category, category, number); edges 0-1 of kind 1 and 1-2 of kind 2.
    array[:3, :3] = [[0, 1, 5], [2, 1, 7], [2, 0, 9]]
    array[:3, 3:6] = np.eye(3)
    array[0, 4] = array[1, 3] = 1
    array[1, 5] = array[2, 4] = 2
    found = InputStatistics({"x": view}).embed("x", array[None])[0]
    assert found[:6].tolist() == [3, 1, 0, 2, 1, 2]
    assert found[6:8].tolist() == [2, 2]
    assert found[-2:] == pytest.approx([7, np.std([5, 7, 9])])


def test_a_text_is_a_bag_of_words_without_padding_and_marks():
    view = TextView(tokenizer=Words(), length=8)
    texts = ["5 5 6", "6 7", "8 6 9 5"]
    train = statistics(view, *texts)
    test = statistics(view, "5 50 6 6", "50 51")
    ids = np.ones(train.shape[1], bool)
    found, held_out = features(train, test, ids)
    words = [5, 6, 7, 8, 9]
    counts = np.array([[text.split().count(str(w)) for w in words] for text in texts])
    reference = TfidfTransformer().fit(counts)
    assert found.values == pytest.approx(reference.transform(counts).toarray())
    # An id that does not occur in `train` does not count.
    assert held_out.values[0] == pytest.approx(reference.transform([[1, 2, 0, 0, 0]]).toarray()[0])
    assert held_out.values[1].tolist() == [0] * 5
    assert found.bag.tolist() == [True] * 5


def test_runs_of_ids_are_words_too():
    train = np.array([[1, 2, 3, -1], [2, 1, 2, -1]], float)
    test = np.array([[1, 2, 9, 9], [3, -1, 1, 2]], float)
    ids = np.ones(4, bool)
    one, _ = features(train, test, ids)
    fitted, held_out = features(train, test, ids, ngrams=3)
    # 1, 2, 3; 12, 23, 21; 123, 212: all that occur in train.
    assert (one.values.shape[1], fitted.values.shape[1]) == (3, 8)
    found = [set(np.flatnonzero(row)) for row in (*fitted.values, *held_out.values)]
    assert len(found[0]) == 6  # 1, 2, 3, 12, 23, 123
    assert len(found[1]) == 5  # 1, 2, 12, 21, 212
    assert found[2] == found[0] & found[1]  # 1, 2, 12
    assert len(found[3]) == 4  # 1, 2, 3, 12: no run goes over what is missing


def graph(view, types, edges):
    """Nodes of one category and edges (i, j, kind), as the view hands them over."""
    array = np.zeros(view.shape, np.float32)
    links = array[:, 1:]
    for node, value in enumerate(types):
        array[node, 0], links[node, node] = value, 1
    for i, j, kind in edges:
        links[i, j] = links[j, i] = kind
    return view.content(array)["stars"]


def test_a_node_and_its_neighbours_are_a_word():
    view = GraphView(nodes=4, categories=(9,), edges=2)
    chain = graph(view, [6, 6, 8], [(0, 1, 1), (1, 2, 1)])
    assert chain[3] == -1
    assert len(set(chain[:3])) == 3
    again = graph(view, [8, 6, 6], [(0, 1, 1), (1, 2, 1)])  # the same in another order
    assert sorted(again) == sorted(chain)
    double = graph(view, [6, 6, 8], [(0, 1, 1), (1, 2, 2)])
    assert double[0] == chain[0]
    assert not set(double[1:3]) & set(chain[:3])


def test_the_most_frequent_words_are_kept_and_numbers_stand_beside_them(monkeypatch):
    monkeypatch.setattr(input_statistics, "MOST_WORDS", 2)
    train = np.array([[7, 4, 0.5], [4, 9, 1.5], [9, -1, 2.5]])
    found, _ = features(train, train, np.array([True, True, False]))
    assert found.bag.tolist() == [True, True, False]
    assert found.values[:, :2] == pytest.approx(np.array([[1, 0], [0.5**0.5, 0.5**0.5], [0, 1]]))
    assert found.values[:, 2].tolist() == [0.5, 1.5, 2.5]


def test_arrays_of_views_that_say_nothing_are_one_part():
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    x = np.random.default_rng(3).normal(size=(7, 2)).astype(np.float32)
    assert content(x)[""] is x
    assert InputStatistics({"x": view}).embed("x", x[None])[0] == pytest.approx(moments(x))

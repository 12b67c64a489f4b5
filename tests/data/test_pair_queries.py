"""Scenes and queries: what is relevant, and how often."""

import numpy as np

from mmjax.data.synthetic.pair_queries import KINDS, PairQueries


def bound(source):
    return [set(own) for own in source.fields["pair"]]


def test_labels_say_what_an_image_shows():
    labelled = PairQueries(split="labelled", examples=4000)
    truth = labelled.fields["relevant"]
    assert 0.5 < truth.mean() < 0.53  # half, and a few of those with any query
    texts = labelled.fields["text"]
    np.testing.assert_array_equal(texts[:, :KINDS].sum(1), 1)
    np.testing.assert_array_equal(texts[:, KINDS:].sum(1), 1)
    # A ridge on images knows what belongs together, as the tanh is nearly linear in the binding.
    index = PairQueries(split="index", examples=2000)
    x = np.c_[index.fields["image"], np.ones(2000)]
    y = np.array([[n in own for n in range(KINDS**2)] for own in bound(index)], float)
    weights = np.linalg.solve(x.T @ x + np.eye(49), x.T @ y)
    asked = texts[:, :KINDS].argmax(1) * KINDS + texts[:, KINDS:].argmax(1)
    score = (np.c_[labelled.fields["image"], np.ones(4000)] @ weights)[np.arange(4000), asked]
    assert score[truth == 1].mean() > 1.5 * score[truth == 0].mean()


def test_queries_are_answered_by_one_scene_in_21():
    index, queries = bound(PairQueries(split="index")), PairQueries(split="test")
    share = np.mean([[q in own for own in index] for q in queries.fields["pair"]])
    assert abs(share - 3 / 64) < 0.005
    assert all(len(own) == 3 for own in index)
    assert queries.fields["text"].shape == (300, 16)

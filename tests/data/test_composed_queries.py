"""Composed queries: neither part says the text, both do."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from mmjax.data.synthetic.composed_queries import ComposedQueries


def columns(split="train", **options):
    source = ComposedQueries(split=split, **options)
    names = ("context", "image", "text", "pair", "context_class", "image_class")
    return {name: np.stack([row[name] for row in source]) for name in names}


def test_a_text_is_of_its_context_and_image_and_each_part_of_one_only():
    train, test = columns(examples=4000), columns("test")
    assert 590 <= len({*train["pair"]}) <= 600
    np.testing.assert_array_equal(test["pair"], test["context_class"] * 30 + test["image_class"])

    def accuracy(field, label):
        fitted = LogisticRegression(max_iter=400).fit(train[field], train[label])
        return fitted.score(test[field], test[label])

    assert accuracy("context", "context_class") > 0.95
    assert accuracy("image", "image_class") > 0.95
    assert accuracy("context", "image_class") < 0.1
    assert accuracy("text", "context_class") > 0.95


def test_the_sign_of_the_context_turns_the_image_in_the_text():
    """Texts of one image are near those of contexts of the same sign, and far from the others."""
    own = columns(examples=6000, seed=2)
    world = np.random.default_rng([2, 1000])
    contexts = world.standard_normal((20, 8), np.float32)
    sign = np.sign(contexts[:, 0] * contexts[:, 1])[own["context_class"]]
    image = own["image_class"] == 4
    means = {s: own["text"][image & (sign == s)].mean(0) for s in (-1, 1)}
    everything = own["text"].mean(0)
    one, other = (means[s] - everything for s in (-1, 1))
    assert np.corrcoef(one, other)[0, 1] < -0.3

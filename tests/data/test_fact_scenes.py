"""Scenes of facts: what texts say, what a changed one changes, and what an image follows."""

import numpy as np

from mmjax.data.registry import SOURCES
from mmjax.data.synthetic.fact_scenes import VALUES, WORDS


def make(split="train", examples=2000, **options):
    return SOURCES["fact_scenes"](split=split, examples=examples, **options)


def scene(text):
    """The facts of a text, sorted, without what says which of two words stands for a value."""
    words = text.split()
    assert len(words) == 9
    assert set(words) <= set(WORDS)
    facts = [tuple(word[:-1] for word in words[i : i + 3]) for i in (0, 3, 6)]
    assert all(v.startswith(k) for fact in facts for v, k in zip(fact, VALUES, strict=True))
    return sorted(facts)


def test_a_paraphrase_says_the_same_and_a_changed_text_one_other_value():
    source = make()
    assert source.modalities == ("image", "text", "text_paraphrase", "text_changed")
    other = 0
    for index in range(200):
        row = source[index]
        own = scene(row["text"])
        assert scene(row["text_paraphrase"]) == own
        other += row["text_paraphrase"] != row["text"]
        values, changed = ([v for fact in scene(row[name]) for v in fact]
                           for name in ("text", "text_changed"))  # fmt: skip
        common = sum(min(values.count(v), changed.count(v)) for v in {*values})
        assert common == 8
        assert row["facts"].sum() == 9
        places = [f"{kind}{value}" for kind, n in VALUES.items() for value in range(n)]
        said = [row["facts"][places.index(v)] for v in values]
        assert said == [values.count(v) for v in values]
    assert other == 200  # of 6 orders and 512 choices of words


def test_every_kind_of_value_is_changed_as_often():
    source = make()
    kinds = dict.fromkeys(VALUES, 0)
    for index in range(len(source)):
        row = source[index]
        before, after = ({v for fact in scene(row[n]) for v in fact}
                         for n in ("text", "text_changed"))  # fmt: skip
        for kind in VALUES:
            kinds[kind] += any(v.startswith(kind) for v in before ^ after)
    shares = np.array([*kinds.values()]) / len(source)
    # Where a value stands twice or is there already, the sets say less.
    np.testing.assert_allclose(shares, 1 / 3, atol=0.04)


def test_scenes_that_share_facts_have_images_alike_and_worlds_differ():
    source = make()
    rows = [source[i] for i in range(len(source))]
    x = np.stack([row["image"] for row in rows])
    assert x.shape == (2000, 128)
    assert x.dtype == np.float32
    assert 1.2 < x.std() < 1.7
    scenes = [{*scene(row["text"])} for row in rows]
    unit = (x - x.mean(0)) / np.linalg.norm(x - x.mean(0), axis=1, keepdims=True)
    alike = [float(unit[i] @ unit[j]) for i in range(300) for j in range(i)
             if scenes[i] & scenes[j]]  # fmt: skip
    rest = [float(unit[i] @ unit[j]) for i in range(300) for j in range(i)
            if not scenes[i] & scenes[j]]  # fmt: skip
    assert len(alike) > 50
    assert np.mean(alike) > np.mean(rest) + 0.15
    # Splits are of one world, and rows of others: a ridge regression of counts of whole facts would
    # be large, so single values tell little, but on new rows of the same world alone.
    test, other = make("test", 500), make("test", 500, seed=1)
    counts = np.stack([row["facts"] for row in rows])
    fit = np.linalg.solve(counts.T @ counts + np.eye(30), counts.T @ x)

    def explained(source):
        found = [source[i] for i in range(len(source))]
        y, c = (np.stack([row[name] for row in found]) for name in ("image", "facts"))
        return 1 - ((y - c @ fit) ** 2).sum() / ((y - x.mean(0)) ** 2).sum()

    assert explained(test) > 0.1
    assert explained(other) < 0

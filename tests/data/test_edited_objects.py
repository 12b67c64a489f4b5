"""Edited objects: one attribute changes, and the image says the object but not the edit."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mmjax.data import SOURCES, SourceError
from mmjax.data.synthetic.edited_objects import ATTRIBUTES, OBJECTS, WORDS, EditedObjects


def test_an_edit_names_the_one_attribute_that_changes():
    for row in EditedObjects(examples=300):
        was, now = row["text"].split(), row["target"].split()
        (at,) = [i for i in range(4) if was[i] != now[i]]
        assert row["edit"] == f"{tuple(ATTRIBUTES)[at]} {now[at]}"
        assert {*row["other"].split(), *now, *row["edit"].split()} <= {*WORDS}
        assert row["object"] != row["answer"]


def test_the_gallery_has_every_object_once_with_the_numbers_of_captions():
    gallery, test = EditedObjects(split="gallery"), EditedObjects(split="test")
    captions = [row["text"] for row in gallery]
    assert len({*captions}) == len(captions) == OBJECTS
    for row in test:
        assert captions[row["object"]] == row["text"]
        assert captions[row["answer"]] == row["target"]
    assert all(row["answer"] == row["object"] for row in gallery)


def test_an_image_shows_its_values_among_tokens_in_any_order():
    def parts(split, count):
        rows = list(EditedObjects(split=split, examples=count))
        x = np.stack([row["image"] for row in rows])
        colour = np.array([ATTRIBUTES["colour"].index(row["text"].split()[0]) for row in rows])
        return x, colour

    x, colour = parts("train", 3000)
    y, truth = parts("test", 500)
    assert LogisticRegression(max_iter=300).fit(x.sum(1), colour).score(y.sum(1), truth) > 0.5
    first = LogisticRegression(max_iter=300).fit(x[:, 0], colour).score(y[:, 0], truth)
    assert first < 0.4  # each token is at any place


def test_words_that_make_the_sibling_of_a_record():
    rows = {
        "type": "memory",
        "data": {"text": ["man cook", ["woman cook", "chef"], "cook", "dog"], "x": [1, 2, 3, 4]},
        "labels": {"kind": ["c", "c", "c", "d"]},
    }
    given = {"source": rows, "by": "kind", "edit": "text"}
    source = SOURCES.spec("sibling_pairs", **given).build()
    said = {(r["id"], r.get("sibling")): r.get("edit") for r in source}
    assert said == {
        (0, 1): "woman", (1, 0): "man", (0, 2): None, (2, 0): "man", (1, 2): None, (2, 1): "woman",
        (3, None): None,
    }  # fmt: skip
    assert "edit" in source.modalities
    assert "edit" in source.may_lack
    with pytest.raises(SourceError, match=r"edit='caption' is no field .* 'text', 'x'"):
        SOURCES.spec("sibling_pairs", **{**given, "edit": "caption"}).build()

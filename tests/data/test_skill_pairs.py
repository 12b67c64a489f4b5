"""Pairs of a text and another modality: one world, different rows, what the words say."""

import numpy as np
import pytest

from mmjax.data.registry import SOURCES
from mmjax.data.synthetic.skill_pairs import OTHERS, WORDS

SHAPES = {"image": (8, 8), "sound": (16, 8)}


def make(pair, split="train", **options):
    return SOURCES["skill_pairs"](**{"pair": pair, "split": split, "examples": 600, **options})


@pytest.mark.parametrize("pair", OTHERS)
def test_a_record_has_a_text_and_what_is_asked_for(pair):
    source = make(pair)
    assert source.modalities == (pair, "text")
    for index in (0, 599):
        row = source[index]
        said = row["text"].split()
        assert len(said) == 8
        assert set(said) <= set(WORDS[:64])
        if pair == "code":
            assert set(row["code"].split()) <= set(WORDS[64:])
        else:
            assert row[pair].shape == SHAPES[pair]
            assert row[pair].dtype == np.float32
    every = [make(p, split)[0]["text"] for p in OTHERS for split in ("train", "validation", "test")]
    assert len(set(every)) == 9  # the rows of all kinds of pairs and splits are different ones


def one_hot(texts, letter):
    """f64[N, 8 * 64], which word stands at which place."""
    ids = np.array([[int(word.removeprefix(letter)) for word in text.split()] for text in texts])
    return np.eye(64)[ids].reshape(len(ids), -1)


@pytest.mark.parametrize("pair", OTHERS)
def test_the_other_modality_can_be_told_from_the_text(pair):
    """By ridge regression, on other rows of the same world, and not on rows of another world."""

    def rows(split, **options):
        source = make(pair, split, examples=3000 if split == "train" else 400, **options)
        own = [source[i] for i in range(len(source))]
        x = one_hot([row["text"] for row in own], "t")
        if pair == "code":
            return x, one_hot([row["code"] for row in own], "c")
        return x, np.stack([row[pair].ravel() for row in own])

    (x, y), (a, b), (c, d) = rows("train"), rows("test"), rows("test", seed=3)
    mean = y.mean(0)
    fit = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ (y - mean))

    def explained(inputs, outputs):
        rest = outputs - mean - inputs @ fit
        return 1 - (rest**2).sum() / ((outputs - mean) ** 2).sum()

    assert explained(a, b) > {"image": 0.3, "sound": 0.1, "code": 0.02}[pair]
    assert explained(c, d) < 0.01


def test_an_image_is_within_its_range_but_for_noise():
    image = np.stack([make("image")[i]["image"] for i in range(300)])
    assert np.abs(image).max() < 1.6
    saturated = np.abs(np.abs(image) - 1) < 0.2
    assert saturated.mean() > 0.4

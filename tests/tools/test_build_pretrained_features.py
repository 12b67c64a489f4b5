"""The embedded features of frozen towers: what they hold, and that they know new concepts."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mmjax.data.sources.emoji import EmojiSource
from mmjax.data.sources.features import FeaturesSource

FILE = Path(__file__).parents[2] / "tools" / "build_pretrained_features.py"
spec = importlib.util.spec_from_file_location("build_pretrained_features", FILE)
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def features(split, raw=()):
    name = f"emoji_pretrained:{split}"
    return FeaturesSource(files={"image": name, "text": name}, raw=raw)


@pytest.mark.parametrize("split", build.SPLITS)
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
    """What two models know that never saw one another: R@10 of 161 new concepts, chance .06."""
    train, new = features("train"), features("new_style_new_concepts")
    pairs = [(train[i]["image"], train[i]["text"][0]) for i in range(len(train))]
    x = np.array([image for images, _ in pairs for image in images], np.float64)
    y = np.array([text for images, text in pairs for _ in images], np.float64)
    weights = np.linalg.solve(x.T @ x + 100 * np.eye(build.DIM), x.T @ y)
    records = [new[i] for i in range(len(new))]
    query = np.array([r["image"][0] for r in records], np.float64) @ weights
    answers = np.array([r["text"][0] for r in records], np.float64)
    query, answers = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, answers))
    scores = query @ answers.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert (rank < 10).mean() > 0.48  # measured: .516

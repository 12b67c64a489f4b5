"""Frames of speech: phonemes of whole durations, offsets of speakers, and the text of another."""

import numpy as np
import pytest

from mmjax.data.registry import SOURCES


def made(**options):
    return SOURCES["phoneme_speech"](**{"split": "test", "examples": 200, **options})


def test_frames_are_templates_with_an_offset_that_all_splits_share():
    rows = [*made(offset=2.0), *made(offset=2.0, split="train")]
    frames = {(p, row["speaker"]): [] for row in rows for p in row["phoneme"]}
    for row in rows:
        assert 43 <= len(row["phoneme"]) <= 48
        assert row["speech"].shape == (len(row["phoneme"]), 24)
        np.testing.assert_array_equal(row["phonemes"].argmax(1), row["phoneme"])
        np.testing.assert_array_equal(row["phonemes"].sum(1), 1)
        for phoneme, frame in zip(row["phoneme"], row["speech"], strict=True):
            frames[phoneme, row["speaker"]].append(frame)
        lasts = np.diff(np.flatnonzero(np.diff(row["phoneme"], prepend=-1, append=-1)))
        assert lasts.min() >= 3
    noise = np.concatenate([own - np.mean(own, 0) for own in frames.values() if len(own) > 20])
    assert noise.std() == pytest.approx(0.2, rel=0.05)
    means = {key: np.mean(own, 0) for key, own in frames.items() if len(own) > 20}
    # What a speaker adds is the same in all phonemes.
    both = [(a, b) for a in means for b in means if a[0] == b[0] and a[1] < b[1]]
    of = {}
    for a, b in both:
        of.setdefault((a[1], b[1]), []).append(means[a] - means[b])
    spread = [np.std(own, 0).mean() for own in of.values() if len(own) > 3]
    assert max(spread) < 0.15
    moved = [np.mean(own, 0).std() for own in of.values()]
    assert np.mean(moved) == pytest.approx(2 * 2**0.5, rel=0.15)


def test_a_shuffled_text_is_of_another_utterance():
    own, other = made(), made(text="shuffled")
    same = 0
    for a, b in zip(own, other, strict=True):
        np.testing.assert_array_equal(a["phoneme"], b["phoneme"])
        assert b["phonemes"].shape == a["phonemes"].shape
        same += (a["phonemes"] == b["phonemes"]).all()
    assert same == 0


def test_a_mean_may_be_removed():
    for plain, centred in zip(made(), made(centred=True), strict=True):
        mean = plain["speech"].mean(0)
        np.testing.assert_allclose(centred["speech"], plain["speech"] - mean, atol=1e-5)

"""Generated data for decoders of texts: a chain that knows its texts, and regions of images."""

import numpy as np
import pytest

from mmjax.data.registry import SOURCES
from mmjax.data.synthetic.markov_text import RARE, SHARES, WORDS
from mmjax.data.synthetic.region_captions import WORDS as SAID


def test_a_chain_has_eight_successors_of_known_shares():
    source = SOURCES["markov_text"](examples=600, length=200)
    np.testing.assert_allclose(source.chain.sum(1), 1)
    whole = 1 + len(WORDS) * RARE
    want = (np.array(SHARES) + RARE) / whole
    np.testing.assert_allclose(np.sort(source.chain, axis=1)[:, :-9:-1], np.tile(want, (60, 1)))
    counts, places = np.zeros((60, 60)), {word: k for k, word in enumerate(WORDS)}
    for row in range(600):
        numbers = [places[word] for word in source[row]["text"].split()]
        assert len(numbers) == 200
        np.add.at(counts, (numbers[:-1], numbers[1:]), 1)
    share = counts / counts.sum(1, keepdims=True)
    np.testing.assert_allclose(share, source.chain, atol=0.06)
    for split in ("validation", "test"):
        other = SOURCES["markov_text"](split=split)
        np.testing.assert_array_equal(other.chain, source.chain)
        assert other[0]["text"] != source[0]["text"]


def test_a_chain_knows_how_likely_a_text_is():
    source = SOURCES["markov_text"](examples=1)
    words = [WORDS[3], WORDS[5], WORDS[5]]
    want = [1 / 60, source.chain[3, 5], source.chain[5, 5]]
    np.testing.assert_allclose(source.log_likelihood(words), np.log(want))
    assert len(source.log_likelihood([])) == 0
    with pytest.raises(ValueError, match="'strange' is none of its words"):
        source.log_likelihood([WORDS[0], "strange"])


def test_what_is_read_of_salient_regions_is_nearest_to_the_caption():
    """The means of the cosines that the paper's experiment was planned with."""
    means = {name: [] for name in ("image", "salient", "mean", "drawn")}
    for seed in range(3):
        source = SOURCES["region_captions"](split="test", seed=seed)
        rows = [source[i] for i in range(len(source))]
        text = np.stack([row["text"] for row in rows])
        for name, own in means.items():
            read = np.stack([row[name] for row in rows])
            np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, rtol=1e-5)
            own.append((read * text).sum(1).mean())
    for name, want in {"image": 0.58, "salient": 0.63, "mean": 0.54, "drawn": 0.495}.items():
        assert np.mean(means[name]) == pytest.approx(want, abs=0.02), name
    for row in rows[:50]:
        numbers = [SAID.index(word) for word in row["caption"].split()]
        assert len(numbers) == 4
        assert numbers == sorted(set(numbers))

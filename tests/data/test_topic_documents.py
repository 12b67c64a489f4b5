"""Topic documents: twins share topics in other modalities, and the word says which is asked for."""

import numpy as np
import pytest

from mmjax.data import SOURCES
from mmjax.data.synthetic.topic_documents import KINDS, TopicDocuments


def columns(split="test", **options):
    rows = list(TopicDocuments(split=split, **options))
    parts = np.stack([np.stack([row[kind] for kind in KINDS]) for row in rows], axis=0)
    rest = {k: np.array([row[k] for row in rows]) for k in ("query", "kind", "topic", "twin", "id")}
    return parts, rest


def test_a_query_is_of_the_modality_that_its_word_says():
    parts, rest = columns()
    means = parts.sum(2)  # of six tokens, of which three are of the topic
    asked = rest["query"][:, :3].mean(1)
    scores = np.einsum("nd,kmd->nkm", asked, means)
    own = scores[np.arange(500), np.arange(500)]
    assert (own.argmax(1) == rest["kind"]).mean() > 0.97
    twin = scores[np.arange(500), rest["twin"]]  # the same topic, one modality on or back
    step = np.where(rest["id"] % 2 == 0, 1, -1)
    assert (twin.argmax(1) == (rest["kind"] + step) % 4).mean() > 0.97
    words = rest["query"][:, 3]
    for kind in range(4):
        assert np.ptp(words[rest["kind"] == kind], axis=0).max() == 0
    other = columns("validation")[1]
    np.testing.assert_array_equal(words[rest["kind"] == 2][0],
                                  other["query"][:, 3][other["kind"] == 2][0])  # fmt: skip


def test_twins_lie_side_by_side_and_come_in_pairs():
    _, rest = columns(examples=20)
    assert rest["topic"].tolist() == [i // 2 for i in range(20)]
    assert rest["twin"].tolist() == [i ^ 1 for i in range(20)]
    with pytest.raises(ValueError, match="7 documents are no pairs of twins"):
        SOURCES.spec("topic_documents", examples=7).build()

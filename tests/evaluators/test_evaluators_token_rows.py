"""Tokens as rows: probed one by one, and searched for by what each of them is."""

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.probe import Probe
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.token_rows import token_rows

TOKENS, DIM, KINDS = 5, 3, 4


class Frames:
    """A model that hands frames on, side by side."""

    modalities = ("a", "b")

    def embed(self, modality, array, layer="unit"):
        assert layer == "own.tokens"
        return array.reshape(len(array), -1)


def data(seed, count=40, labels=None):
    """Frames of `a` near a centre of their kind, and of `b` at it; of some examples fewer."""
    centres = np.random.default_rng(0).normal(size=(KINDS, DIM))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    kinds = [rng.integers(KINDS, size=rng.integers(1, TOKENS + 1)) for _ in range(count)]
    fields = {"a": [], "b": [], "kind": kinds if labels is None else labels}
    for own in kinds:
        near = centres[own] + 0.05 * rng.normal(size=(len(own), DIM))
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        for name, frames in (("a", near), ("b", centres[own])):
            fields[name].append(np.pad(frames, ((0, TOKENS - len(own)), (0, 0))))

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(Columns("test", "test", fields, ("a", "b")), {"a": view, "b": view}, 16)


def test_every_label_has_its_token():
    source = data(1)
    items = embed(Frames(), source, ("a",), layer="own.tokens")["a"]
    found = token_rows(items, TOKENS, "kind", "probe")
    at = 0
    for row, own in enumerate(source.source.fields["kind"]):
        for place, kind in enumerate(own):
            np.testing.assert_array_equal(
                found.unit[at], source.source.fields["a"][row][place].astype(np.float32)
            )
            assert (found.rows[at], found.ids[at], found.fields[at]["kind"]) == (row, row, kind)
            at += 1
    assert at == len(found) == len(found.fields)


def test_a_probe_of_tokens_reads_each_by_itself():
    told = {"labels": "kind", "tokens": TOKENS, "modalities": ("a",), "layer": "own.tokens"}
    found = Probe(**told)(Frames(), data(2), train=data(1))
    labels = np.concatenate(data(2).source.fields["kind"])
    assert found["examples"] == len(labels)
    assert found["classes"] == KINDS
    assert found["chance"] == pytest.approx(np.bincount(labels).max() / len(labels))
    assert found["accuracy"] > 0.9
    wrong = Probe(**told)(Frames(), data(2), train=data(1, labels=data(3).source.fields["kind"]))
    assert wrong["accuracy"] < 0.6


def test_any_token_of_the_kind_is_right():
    source = data(1)
    told = {"pairs": (("b", "a"),), "ks": (1,), "labels": "kind", "layer": "own.tokens"}
    found = Retrieval(**told, tokens=TOKENS)(Frames(), source)
    a, b = (
        np.concatenate([own[: len(k)] for own, k in zip(x, source.source.fields["kind"],
                                                        strict=True)])
        for x in (source.source.fields["a"], source.source.fields["b"])
    )  # fmt: skip
    kinds = np.concatenate(source.source.fields["kind"])
    want = (kinds[(b @ a.T).argmax(1)] == kinds).mean()
    assert found["b_to_a/R@1"] == pytest.approx(want)
    assert found["b_to_a/queries"] == found["b_to_a/gallery"] == len(kinds)
    gallery = data(4)
    other = Retrieval(**told, tokens=TOKENS)(Frames(), source, gallery=gallery)
    assert other["b_to_a/gallery"] == sum(map(len, gallery.source.fields["kind"]))


@pytest.mark.parametrize(
    ("tokens", "labels", "said"),
    [
        (4, None, "has 15 numbers, which are not those of tokens=4"),
        (3, [np.zeros(4, int)] * 40, "row 0 has 4 labels; give the first of its 3 tokens"),
        (5, [np.zeros(0, int)] * 40, "row 0 has 0 labels"),
    ],
)
def test_labels_that_are_not_of_tokens(tokens, labels, said):
    told = {"labels": "kind", "tokens": tokens, "modalities": ("a",), "layer": "own.tokens"}
    source = data(1, labels=labels)
    with pytest.raises(EvaluationError, match=said):
        Probe(**told)(Frames(), source, train=source)


def test_options_that_do_not_go_together():
    with pytest.raises(ValueError, match="are rows of one modality with one label"):
        Probe(tokens=3, modalities=("a", "b"))
    with pytest.raises(ValueError, match="tokens=3 needs 'labels' of each token"):
        Retrieval(tokens=3)

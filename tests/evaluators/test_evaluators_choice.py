"""Forced choice: shares, ties, records without an answer, and Winoground's own scoring."""

import numpy as np
import pytest

from mmjax.data.records import Source
from mmjax.data.views import VectorView
from mmjax.evaluators import EvalData, EvaluationError
from mmjax.evaluators.choice import Choice

NAMES = ("q", "q@other", "a", "a@swap", "a@far")


class Rows(Source):
    """Unit vectors, a field for each name; `far` lacks every third."""

    modalities = ("q", "other", "a", "swap", "far")

    def __init__(self, count=60, seed=0):
        x = np.random.default_rng(seed).normal(size=(count, 5, 4))
        self.x = x / np.linalg.norm(x, axis=2, keepdims=True)
        self.x[:5, 3] = self.x[:5, 2]  # the wrong answer is the right one: a tie

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        found = dict(zip(self.modalities, self.x[i], strict=True))
        if i % 3 == 0:
            del found["far"]
        return {"id": i, "key": f"row {i}", **found}

    def describe(self):
        return "rows"


class Same:
    """Embeds every vector as it is."""

    modalities = ("q", "a")

    def embed(self, modality, array, layer="unit"):
        return array


def data(source):
    views = {}
    for name in NAMES:
        views[name] = VectorView(dim=4, normalize=True)
        views[name].field = name.rpartition("@")[2]
    return EvalData(source, views, batch_size=16)


def winoground(c0_i0, c1_i0, c0_i1, c1_i1):
    """As the benchmark's notebook has it."""
    text = c0_i0 > c1_i0 and c1_i1 > c0_i1
    image = c0_i0 > c0_i1 and c1_i1 > c1_i0
    return text, image, text and image


def test_shares_are_those_of_a_loop_over_records():
    source = Rows()
    evaluator = Choice(query="q", right="a", wrong=("a@swap", "a@far"), counterpart="q@other")
    found = evaluator(Same(), data(source))
    swap, far, both, groups = [], [], [], []
    for i, (q, other, a, b, c) in enumerate(source.x):
        swap.append(0.5 if i < 5 else float(q @ a > q @ b))
        if i % 3:
            far.append(float(q @ a > q @ c))
            both.append(i >= 5 and q @ a > max(q @ b, q @ c))
        groups.append(winoground(*(0, 0, 0, 0) if i < 5 else (q @ a, q @ b, other @ a, other @ b)))
    assert found["a@swap"] == pytest.approx(np.mean(swap))
    assert found["a@far"] == pytest.approx(np.mean(far))
    assert found["accuracy"] == pytest.approx((np.mean(swap) + np.mean(far)) / 2)
    assert found["all"] == pytest.approx(np.mean(both))
    assert found["examples"] == len(both)
    for name, share in zip(("text", "image", "group"), np.mean(groups, axis=0), strict=True):
        assert found[name] == pytest.approx(share), name


def test_no_wrong_answer_or_the_right_one_is_refused():
    for wrong in ((), ("a",), ("a@swap", "a@swap")):
        with pytest.raises(ValueError, match="choice: wrong="):
            Choice(query="q", right="a", wrong=wrong)


def test_the_mean_over_groups_is_that_of_a_loop():
    source, columns = Rows(), {}
    relation = ["on", "under", "holding", "on"]
    for i, (q, _, a, b, _) in enumerate(source.x):
        hit = 0.5 if i < 5 else float(q @ a > q @ b)
        columns.setdefault("rare" if i == 7 else relation[i % 4], []).append(hit)

    class Named(Rows):
        label_fields = ("relation",)

        def __getitem__(self, i):
            return super().__getitem__(i) | {"relation": "rare" if i == 7 else relation[i % 4]}

    options = dict(query="q", right="a", wrong=("a@swap",), by="relation")
    found = Choice(**options)(Same(), data(Named()))
    shares = {name: np.mean(hits) for name, hits in columns.items()}
    assert found["macro"] == pytest.approx(np.mean(list(shares.values())))
    for name, share in shares.items():
        assert found[f"{name}/accuracy"] == pytest.approx(share)
    assert len({*shares.values()}) > 2
    enough = Choice(**options, least=2)(Same(), data(Named()))
    assert "rare/accuracy" not in enough
    del shares["rare"]
    assert enough["macro"] == pytest.approx(np.mean(list(shares.values())))
    with pytest.raises(EvaluationError, match="no 'relation' is that of least=99 records"):
        Choice(**options, least=99)(Same(), data(Named()))
    with pytest.raises(EvaluationError, match="no label 'relation'"):
        Choice(**options)(Same(), data(source))

"""Which of a record's candidates belong to its query, against a loop with scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from mmjax.data.sources import MemorySource
from mmjax.data.views import VectorView
from mmjax.evaluators import EvalData, EvaluationError
from mmjax.evaluators.selection import Selection


class Same:
    """Embeds every vector as it is."""

    modalities = ("cue", "item")

    def embed(self, modality, array, layer="unit"):
        return array


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rows(sizes=(5, 6, 5, 12, 10, 6), seed=0):
    """Cues, candidates of each, and which of them are right."""
    rng = np.random.default_rng(seed)
    cues = list(unit(rng.normal(size=(len(sizes), 4))))
    items = [list(unit(rng.normal(size=(n, 4)))) for n in sizes]
    right = [list(np.isin(np.arange(n), rng.choice(n, 2 + n % 3, False))) for n in sizes]
    return cues, items, [[bool(each) for each in own] for own in right]


def measured(cues, items, right):
    source = MemorySource(data={"cue": cues, "item": items}, labels={"right": right})
    views = {name: VectorView(dim=4, normalize=True) for name in ("cue", "item")}
    return Selection(query="cue", candidates="item")(Same(), EvalData(source, views, batch_size=8))


def test_the_jaccard_index_is_that_of_scikit_learn():
    cues, items, right = rows()
    found, of_sizes = measured(cues, items, right), {}
    for cue, own, truth in zip(cues, items, right, strict=True):
        taken = np.isin(np.arange(len(own)), np.argsort(np.array(own) @ cue)[-sum(truth) :])
        of_sizes.setdefault(len(own), []).append(jaccard_score(truth, taken))
    scores = [score for each in of_sizes.values() for score in each]
    assert found["jaccard"] == pytest.approx(np.mean(scores))
    assert {n: found[f"{n}/jaccard"] for n in of_sizes} == pytest.approx(
        {n: np.mean(each) for n, each in of_sizes.items()}
    )
    assert len({*scores}) > 2
    assert found["examples"] == 6


def test_chance_is_the_mean_over_all_selections():
    cues, items, right = rows(sizes=(5, 6))
    expected = []
    for own in right:
        truth = {n for n, each in enumerate(own) if each}
        every = [set(some) for some in itertools.combinations(range(len(own)), len(truth))]
        expected.append(np.mean([len(some & truth) / len(some | truth) for some in every]))
    assert measured(cues, items, right)["chance"] == pytest.approx(np.mean(expected))


def test_records_that_lack_a_candidate_are_left_out():
    cues, items, right = rows()
    full = measured(cues[1:], items[1:], right[1:])
    broken = [[items[0][0], np.full(4, np.nan), *items[0][2:]], *items[1:]]
    found = measured(cues, broken, right)
    assert (found["examples"], found["unreadable"]) == (5, 1)
    assert found["jaccard"] == pytest.approx(full["jaccard"])


def test_what_is_right_has_to_be_said_of_each():
    cues, items, right = rows()
    with pytest.raises(
        EvaluationError, match=r"row 0 has 5 'item', and 'right' should say of each"
    ):
        measured(cues, items, [right[0][:-1], *right[1:]])
    with pytest.raises(EvaluationError, match=r"of one at least that it is, not \[False"):
        measured(cues, items, [*right[:-1], [False] * 6])

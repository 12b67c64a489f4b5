"""Semantic textual similarity: correlations with ratings, of cosines and of runs of characters."""

import numpy as np
import pytest
from scipy import stats

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.sts import Sts, ngram_cosine

X, Y = (np.random.default_rng(k).normal(size=(30, 4)) for k in (0, 1))


class Lengths:
    """Unit vectors of rows that texts number."""

    modalities = ("text",)

    def embed(self, modality, array, layer="unit"):
        x = np.concatenate([X, Y])[array.astype(int).ravel()]
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def data(**fields):
    def view(value, rng, train):
        return np.asarray([int(value.split()[-1])], np.float32)

    names = ("text", "text@2")
    return EvalData(Columns("t", "t", fields, names), dict.fromkeys(names, view), 16)


def texts(rows=30):
    return {
        "text": [f"a cat sat on {i}" for i in range(rows)],
        "text@2": [f"a {'cat sat' if i % 3 else 'dog lay'} on {30 + i}" for i in range(rows)],
    }


def test_correlations_are_those_of_scipy():
    rating = np.random.default_rng(2).random(30)
    found = Sts(ngrams=3)(Lengths(), data(**texts(), score=rating))
    cosine = (X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1)
    assert found["pearson"] == pytest.approx(stats.pearsonr(cosine, rating).statistic, abs=1e-5)
    assert found["spearman"] == pytest.approx(stats.spearmanr(cosine, rating).statistic)
    assert found["examples"] == 30
    same = np.arange(30) % 3 > 0
    assert Sts(ngrams=3)(Lengths(), data(**texts(), score=same))["ngrams_pearson"] > 0.95
    assert "ngrams_pearson" not in Sts()(Lengths(), data(**texts(), score=rating))


def test_runs_of_characters():
    # abc, bcd, cde against abc, bcx: one of three and two.
    assert ngram_cosine("abcde", "abcx", 3) == pytest.approx(1 / np.sqrt(3 * 2))
    assert ngram_cosine("ab", "ab", 3) == 1
    assert ngram_cosine("ab", "cd", 3) == 0


def test_a_rating_that_does_not_vary_has_no_correlation():
    found = Sts()(Lengths(), data(**texts(), score=[1.0] * 30))
    assert found["pearson"] == found["spearman"] == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"score": ["high"] * 30}, "'score' is not one number"), ({}, "'score' is not one number")],
)
def test_what_is_no_rating(fields, message):
    with pytest.raises(EvaluationError, match=message):
        Sts()(Lengths(), data(**texts(), **fields))


def test_too_few_records():
    few = {name: of if name == "text" else [None] * 28 + of[28:] for name, of in texts().items()}
    with pytest.raises(EvaluationError, match="2 records have both"):
        Sts()(Lengths(), data(**few, score=[1.0] * 30))

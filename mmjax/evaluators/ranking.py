"""Exact ranks of the right answers among all answers, streamed; ties in expectation.

A model that gives every answer the same score has learned nothing, and must not look better than
chance because the right answer happened to be listed first. Every measure here is therefore the
expectation over a random order of the answers with equal scores; with no ties it is the usual one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.evaluators import tiles
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.tiles import Arrays

# Scores closer than this are equal. Products of unit vectors in float32 are off by up to 1e-6 (512
# numbers on a CPU), and two equal captions at two places of a batch may differ by as much.
TIE = 2e-6


class Ranks(NamedTuple):
    """Ranks of P (query, right answer) pairs among G answers; each query has at least one.

    Attributes:
      query: i64[P], position of the query, ascending.
      answer: i64[P], position of the right answer.
      score: f32[P], their cosine.
      wrong_above, wrong_equal: i64[P], number of wrong answers with a higher, an equal score.
      right_above, right_equal: i64[P], number of the query's right answers with a higher, an equal
        score; the answer itself is one of the equal ones.
      gallery: G.
    """

    query: np.ndarray
    answer: np.ndarray
    score: np.ndarray
    wrong_above: np.ndarray
    wrong_equal: np.ndarray
    right_above: np.ndarray
    right_equal: np.ndarray
    gallery: int


def _count(tie: jax.Array, rows: Arrays, columns: Arrays, real: jax.Array) -> dict[str, jax.Array]:
    """Sums of one tile; see `tiles.sum_over_columns`."""
    similarity = tiles.scores(rows["vector"], columns["vector"])
    above = similarity > rows["score"][:, None] + tie
    equal = jnp.abs(similarity - rows["score"][:, None]) <= tie
    same = columns["label"] == rows["label"][:, None]
    # The answer itself is left to the caller: rounding must not put it above or below itself.
    right = real & same & (columns["index"] != rows["answer"][:, None])
    wrong = real & ~same
    masks = {
        "wrong_above": above & wrong,
        "wrong_equal": equal & wrong,
        "right_above": above & right,
        "right_equal": equal & right,
    }
    return {name: mask.sum(axis=1, dtype=jnp.int32) for name, mask in masks.items()}


def rank(
    queries: np.ndarray, answers: np.ndarray, query_labels: np.ndarray, answer_labels: np.ndarray
) -> Ranks:
    """Ranks every right answer of every query; an answer is right if its label is the query's.

    Args:
      queries: f32[Q,D], unit rows.
      answers: f32[G,D], unit rows.
      query_labels: i64[Q].
      answer_labels: i64[G].

    Returns:
      Ranks. Queries without a right answer do not occur in it.

    Raises:
      EvaluationError: if no query has a right answer.
    """
    query, answer = _pairs(query_labels, answer_labels)
    if not len(query):
        raise EvaluationError("no query has a right answer among the answers")
    # Dense 32-bit labels, as jax has no 64-bit ones by default.
    known, answer_labels = np.unique(answer_labels, return_inverse=True)
    query_labels = np.searchsorted(known, query_labels).astype(np.int32)
    columns = {
        "vector": answers,
        "label": answer_labels.astype(np.int32),
        "index": np.arange(len(answers), dtype=np.int32),
    }
    score = np.empty(len(query), np.float32)

    # One row per pair and not per query, so that queries with many right answers need no padding.
    def rows(part: slice) -> dict[str, np.ndarray]:
        vector = queries[query[part]]
        # In float64, so that only the scores it is compared with are rounded.
        score[part] = np.einsum("pd,pd->p", vector, answers[answer[part]], dtype=np.float64)
        return {
            "vector": vector,
            "score": score[part],
            "label": query_labels[query[part]],
            "answer": answer[part].astype(np.int32),
        }

    counts = tiles.sum_over_columns(_count, len(query), rows, columns, np.float32(TIE))
    counts = {name: count.astype(np.int64) for name, count in counts.items()}
    counts["right_equal"] += 1  # the answer itself
    return Ranks(query, answer, score, **counts, gallery=len(answers))


def _pairs(query_labels: np.ndarray, answer_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All (query, answer) positions with equal labels, by query and then answer."""
    order = np.argsort(answer_labels, kind="stable")
    ordered = answer_labels[order]
    first = np.searchsorted(ordered, query_labels, side="left")
    count = np.searchsorted(ordered, query_labels, side="right") - first
    query = np.repeat(np.arange(len(query_labels)), count)
    within = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
    return query, order[np.repeat(first, count) + within]


class BestAnswer(NamedTuple):
    """The rank of the best right answer of each of Q queries.

    Attributes:
      query: i64[Q], position of the query.
      above: i64[Q], number of wrong answers with a higher score.
      wrong_equal, right_equal: i64[Q], wrong and right answers with an equal score.
      right: i64[Q], number of right answers of the query.
    """

    query: np.ndarray
    above: np.ndarray
    wrong_equal: np.ndarray
    right_equal: np.ndarray
    right: np.ndarray


def best(ranks: Ranks) -> BestAnswer:
    """The best right answer of each query."""
    query, first, right = np.unique(ranks.query, return_index=True, return_counts=True)
    order = np.lexsort((-ranks.score, ranks.query))
    pick = order[first]
    return BestAnswer(
        query, ranks.wrong_above[pick], ranks.wrong_equal[pick], ranks.right_equal[pick], right
    )


def hit(answer: BestAnswer, k: int) -> np.ndarray:
    """Probability f64[Q] that a right answer is among the first k.

    m = k - above places are left for n wrong and p right answers of equal score, in random order:
    the probability that none of the right ones gets a place is C(n, m) / C(n + p, m).
    """
    left = k - answer.above
    wrong, right = answer.wrong_equal, answer.right_equal
    miss = np.ones(len(left))
    for place in range(k):
        taken = place < left
        share = np.maximum(wrong - place, 0) / np.maximum(wrong + right - place, 1)
        miss = np.where(taken, miss * share, miss)
    return 1 - miss


def expected_rank(answer: BestAnswer) -> np.ndarray:
    """Rank f64[Q], from 1, of the best right answer, the first of p among n + p equal ones."""
    wrong, right = answer.wrong_equal, answer.right_equal
    place: np.ndarray = answer.above + (wrong + right + 1) / (right + 1)
    return place


def average_precision(ranks: Ranks) -> np.ndarray:
    """Average precision f64[Q]: the mean, over a query's right answers, of the precision there.

    In a group of n equal scores, r of them right, that follows N answers, R of them right, the
    right answer at place i of the group has (i - 1)(r - 1)/(n - 1) right ones before it in the
    group on average, so the expected precision of a right answer of the group is
    mean_i (R + 1 + (i - 1)(r - 1)/(n - 1)) / (N + i)   (McSherry and Najork, ECIR 2008).
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, ranks.gallery + 1))])
    before = ranks.wrong_above + ranks.right_above
    size = ranks.wrong_equal + ranks.right_equal
    reciprocal = harmonic[before + size] - harmonic[before]  # sum_i 1 / (N + i)
    slope = np.where(size > 1, (ranks.right_equal - 1) / np.maximum(size - 1, 1), 0.0)
    # sum_i (i - 1)/(N + i) = n - (N + 1) sum_i 1/(N + i)
    precision = (ranks.right_above + 1) * reciprocal + slope * (size - (before + 1) * reciprocal)
    precision = precision / size
    _, group = np.unique(ranks.query, return_inverse=True)
    return np.bincount(group, precision) / np.bincount(group)

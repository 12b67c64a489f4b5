"""Exact ranks of the right answers among all answers, streamed; ties in expectation.

A model that gives every answer the same score has learned nothing, and must not look better than
chance because the right answer happened to be listed first. Every measure here is therefore the
expectation over a random order of the answers with equal scores; with no ties it is the usual one.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
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


# Scores f32[r, c] of vectors f32[r, F] and f32[c, F']. It compares and hashes by value.
Score = Callable[[jax.Array, jax.Array], jax.Array]
# Of a score that is no product of two vectors, and may need much memory for each pair.
ROW_TILE, COLUMN_TILE = 64, 128


@dataclasses.dataclass(frozen=True)
class Count:
    """Sums of one tile; see `tiles.sum_over_columns`."""

    score: Score

    def __call__(
        self, tie: jax.Array, rows: Arrays, columns: Arrays, real: jax.Array
    ) -> dict[str, jax.Array]:
        return _counts(self.score(rows["vector"], columns["vector"]), tie, rows, columns, real)


@partial(jax.jit, static_argnums=0)
def _of_pairs(score: Score, x: jax.Array, y: jax.Array) -> jax.Array:
    """f32[P], the scores of row i of x with row i of y."""
    found: jax.Array = jax.vmap(lambda a, b: score(a[None], b[None])[0, 0])(x, y)
    return found


def _counts(
    similarity: jax.Array, tie: jax.Array, rows: Arrays, columns: Arrays, real: jax.Array
) -> dict[str, jax.Array]:
    above = similarity > rows["score"][:, None] + tie
    equal = jnp.abs(similarity - rows["score"][:, None]) <= tie
    if "labels" in rows:  # bool[r, labels], of queries that have several
        same = jnp.take(rows["labels"], columns["label"], axis=1)
    else:
        same = columns["label"] == rows["label"][:, None]
    if "own" in rows:
        real = real & (columns["index"] != rows["own"][:, None])
    if "excluded" in rows:  # bool[r, labels]
        real = real & ~jnp.take(rows["excluded"], columns["label"], axis=1)
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
    queries: np.ndarray,
    answers: np.ndarray,
    query_labels: np.ndarray | Sequence[np.ndarray],
    answer_labels: np.ndarray,
    own: np.ndarray | None = None,
    score_of: Score | None = None,
    excluded: Sequence[np.ndarray] | None = None,
) -> Ranks:
    """Ranks every right answer of every query; an answer is right if its label is the query's.

    Args:
      queries: f32[Q,D], unit rows.
      answers: f32[G,D], unit rows.
      query_labels: i64[Q]; or Q arrays i64[...], where a query has several and any of them counts.
      answer_labels: i64[G].
      own: i64[Q], which answer is the query itself, and no answer to it; -1 for none.
      score_of: what ranks; None for dot products. Other vectors need not be of length 1.
      excluded: Q arrays i64[...], labels whose answers are none of the query.

    Returns:
      Ranks. Queries without a right answer do not occur in it.

    Raises:
      EvaluationError: if no query has a right answer.
    """
    query, answer = _pairs(query_labels, answer_labels)
    if own is not None:
        others = own[query] != answer
        query, answer = query[others], answer[others]
    if excluded is not None:
        asked = zip(query, answer_labels[answer], strict=True)
        kept = np.array([label not in excluded[q] for q, label in asked], bool)
        query, answer = query[kept], answer[kept]
    if not len(query):
        raise EvaluationError("no query has a right answer among the answers")
    # Dense 32-bit labels, as jax has no 64-bit ones by default.
    known, answer_labels = np.unique(answer_labels, return_inverse=True)
    label_of = _labels(query_labels, known)
    excluded_of = None if excluded is None else _several(excluded, known)
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
        if score_of is None:
            score[part] = np.einsum("pd,pd->p", vector, answers[answer[part]], dtype=np.float64)
        else:
            score[part] = _of_pairs(score_of, vector, answers[answer[part]])
        return {
            "vector": vector,
            "score": score[part],
            "answer": answer[part].astype(np.int32),
            **label_of(query[part]),
            **({} if own is None else {"own": own[query[part]].astype(np.int32)}),
            **({} if excluded_of is None else {"excluded": excluded_of(query[part])}),
        }

    sizes = {} if score_of is None else {"row_tile": ROW_TILE, "column_tile": COLUMN_TILE}
    count_tile = Count(score_of or tiles.scores)
    counts = tiles.sum_over_columns(count_tile, len(query), rows, columns, np.float32(TIE), **sizes)
    counts = {name: count.astype(np.int64) for name, count in counts.items()}
    counts["right_equal"] += 1  # the answer itself
    return Ranks(query, answer, score, **counts, gallery=len(answers))


Labels = Callable[[np.ndarray], dict[str, np.ndarray]]


def _labels(query_labels: np.ndarray | Sequence[np.ndarray], known: np.ndarray) -> Labels:
    """Positions of queries -> their labels as places in `known`, ascending: one or several each."""
    if isinstance(query_labels, np.ndarray):
        dense = np.searchsorted(known, query_labels).astype(np.int32)
        return lambda query: {"label": dense[query]}
    several = _several(query_labels, known)
    return lambda query: {"labels": several(query)}


def _several(labels: Sequence[np.ndarray], known: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Positions i64[P] of queries -> bool[P, labels], which of `known` each has."""
    places = [np.searchsorted(known, own[np.isin(own, known)]) for own in labels]

    def several(query: np.ndarray) -> np.ndarray:
        found = np.zeros((len(query), len(known)), bool)
        for row, number in enumerate(query):
            found[row, places[number]] = True
        return found

    return several


def _pairs(
    query_labels: np.ndarray | Sequence[np.ndarray], answer_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All (query, answer) positions with equal labels, by query and then answer."""
    if not isinstance(query_labels, np.ndarray):
        distinct = [np.unique(own) for own in query_labels]
        flat, counts = np.concatenate(distinct), [len(own) for own in distinct]
        of, answer = _pairs(flat, answer_labels)
        return np.repeat(np.arange(len(counts)), counts)[of], answer
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


def hit_among(answer: BestAnswer, k: int, pool: int, gallery: np.ndarray) -> np.ndarray:
    """Probability f64[Q] that the right answer is among the first k of a random pool of answers.

    A pool is the right answer and `pool` - 1 of the W wrong ones, all alike likely: of a wrong ones
    with a higher score, j are in it with the hypergeometric probability, so it is the mean over all
    pools and needs no draws. The right one is at each place among n equal wrong ones alike likely.

    Args:
      answer: of queries with one right answer each.
      k: at most `pool`.
      pool: at most the number of answers of any query.
      gallery: i64[Q], number of answers of each query.
    """
    from scipy.stats import hypergeom  # half a second, which no other metric should cost

    wrong = gallery - 1
    found = np.zeros(len(wrong))
    for tied in range(int(answer.wrong_equal.max(initial=0)) + 1):
        above = answer.above + np.minimum(tied, answer.wrong_equal)
        chance = hypergeom.cdf(k - 1, wrong, above, pool - 1)
        found += np.where(tied <= answer.wrong_equal, chance, 0.0)
    share: np.ndarray = found / (answer.wrong_equal + 1)
    return share


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


def inverse_negative_penalty(ranks: Ranks) -> np.ndarray:
    """Inverse negative penalty f64[Q]: R, the number of right answers, over the rank of the last.

    Its mean is mINP (Ye et al. 2021, arXiv 2001.04193, equation 5). The last of r right ones among
    n + r of equal score is expected at their place r (n + r + 1) / (r + 1).
    """
    _, first, right = np.unique(ranks.query, return_index=True, return_counts=True)
    pick = np.lexsort((ranks.score, ranks.query))[first]
    above = ranks.wrong_above[pick] + ranks.right_above[pick]
    wrong, equal = ranks.wrong_equal[pick], ranks.right_equal[pick]
    found: np.ndarray = right / (above + equal * (wrong + equal + 1) / (equal + 1))
    return found


def ndcg(ranks: Ranks, k: int | None = None) -> np.ndarray:
    """Normalized discounted cumulative gain f64[Q] over all answers, or the first k, of gains 1, 0.

    sum over right answers of 1 / log2(1 + rank), over the same of R answers at the first R places
    (Jarvelin and Kekalainen 2002); of equal scores the mean over their places.
    """
    gains = 1 / np.log2(np.arange(2, ranks.gallery + 2))
    gains[ranks.gallery if k is None else k :] = 0.0
    discount = np.concatenate([[0.0], np.cumsum(gains)])
    before = ranks.wrong_above + ranks.right_above
    size = ranks.wrong_equal + ranks.right_equal
    gain = (discount[before + size] - discount[before]) / size
    _, group, count = np.unique(ranks.query, return_inverse=True, return_counts=True)
    found: np.ndarray = np.bincount(group, gain) / discount[count]
    return found


def precision_at(ranks: Ranks, k: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Precision f64[Q] among the first k answers, and average precision there.

    k = None is R, the number of right answers of a query: R-precision and mAP@R (Musgrave et al.
    2020, arXiv 2003.08505): 1/R sum of the precision at each right answer among the first R. With
    a number k the second is divided by min(k, R). Wrong answers of equal score come first.
    """
    _, group, right = np.unique(ranks.query, return_inverse=True, return_counts=True)
    # Of n right answers with equal scores, one is at each of n places.
    order = np.lexsort((ranks.right_above, ranks.query))
    ordered = np.stack([ranks.query[order], ranks.right_above[order]])
    same = np.r_[False, (np.diff(ordered) == 0).all(0)]
    number = np.arange(len(order))
    within = number - np.maximum.accumulate(np.where(same, 0, number))
    hits = np.empty(len(order), np.int64)
    hits[order] = ranks.right_above[order] + within + 1
    place = ranks.wrong_above + ranks.wrong_equal + hits
    limit = right if k is None else np.full(len(right), k)
    counted = place <= limit[group]
    precision = np.bincount(group, counted) / limit
    average = np.bincount(group, np.where(counted, hits / place, 0)) / np.minimum(limit, right)
    return precision, average

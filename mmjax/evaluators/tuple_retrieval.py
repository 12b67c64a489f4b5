"""Retrieval with more than two modalities: queries and answers are tuples of modalities."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.evaluators import ranking, tiles
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.tiles import Arrays
from mmjax.parallel.volume import span, with_anchors
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count

# Squared volumes that differ by no more than this share of that of the answer alone are equal: what
# rounding leaves.
TIE = 2e-6

Score = Literal["cosine_sum", "multilinear", "volume"]


class TupleRetrieval(Evaluator):
    """Ranks answers, each a tuple of modalities, for queries that are tuples of others.

    The score of a query with unit vectors q and an answer with unit vectors u is

        cosine_sum: the sum of q·u over all q and u, what pairwise losses train;
        multilinear: Σ_d of the product of all q_d and u_d, what Symile trains;
        volume: minus the squared volume that q, which is one, and all u span, what GRAM trains.

    An answer is right if its record has the query's id; for `volume` a query has one. Metrics:
    `R@1`, ..., `median_rank`, `queries`, `gallery`, `chance_R@1`; for `volume` also `true_volume`,
    the mean volume of the right tuples, and `volume_ratio`, that over the mean of all. Equal scores
    count by their random order; for `volume`, a wrong answer with the right one's score counts as
    half an answer above it.

    Args:
      query: modalities of a query.
      answer: modalities of an answer.
      score: which score.
      ks: the k of R@k.
    """

    def __init__(
        self,
        *,
        query: tuple[ViewRef, ...],
        answer: tuple[ViewRef, ...],
        score: Score = "cosine_sum",
        ks: tuple[Count, ...] = (1, 5, 10),
    ):
        if not query or not answer or set(query) & set(answer):
            raise ValueError(
                f"tuple_retrieval: query={query!r} and answer={answer!r} have to name different "
                "modalities"
            )
        if score == "volume" and len(query) != 1:
            raise ValueError(
                f"tuple_retrieval: score='volume' takes one query modality, not {query!r}"
            )
        self.query, self.answer, self.score, self.ks = query, answer, score, ks

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        embedded = embed(model, data, (*self.query, *self.answer))
        queries, query_ids = _rows([embedded[m] for m in self.query])
        answers, answer_ids = _rows([embedded[m] for m in self.answer])
        if self.score == "volume":
            return self._by_volume(queries[0], answers, query_ids, answer_ids)
        combine = np.sum if self.score == "cosine_sum" else np.prod
        return self._by_product(
            combine(queries, axis=0), combine(answers, axis=0), query_ids, answer_ids
        )

    def _by_product(
        self,
        queries: np.ndarray,
        answers: np.ndarray,
        query_ids: np.ndarray,
        answer_ids: np.ndarray,
    ) -> dict[str, float]:
        # Scores keep their order under a common factor; ties are judged at the scale of unit rows.
        size = np.linalg.norm(queries, axis=1).max() * np.linalg.norm(answers, axis=1).max()
        factor = np.float32(1 / max(np.sqrt(size), 1e-12))
        ranks = ranking.rank(queries * factor, answers * factor, query_ids, answer_ids)
        best = ranking.best(ranks)
        rank = ranking.expected_rank(best)
        return {f"R@{k}": float(ranking.hit(best, k).mean()) for k in self.ks} | {
            "median_rank": float(np.median(rank)),
            "queries": float(len(rank)),
            "gallery": float(ranks.gallery),
            "chance_R@1": float((best.right / ranks.gallery).mean()),
        }

    def _by_volume(
        self,
        queries: np.ndarray,
        answers: list[np.ndarray],
        query_ids: np.ndarray,
        answer_ids: np.ndarray,
    ) -> dict[str, float]:
        known, first, count = np.unique(answer_ids, return_index=True, return_counts=True)
        if count.max() > 1:
            raise EvaluationError(
                "tuple_retrieval: with score='volume' a query has one right answer, but "
                f"{count.max()} answers have the id {known[count.argmax()]}"
            )
        kept = np.isin(query_ids, known)
        queries, own = queries[kept], first[np.searchsorted(known, query_ids[kept])]
        others = np.stack(answers, axis=1)
        columns = dict(jax.device_get(span(jnp.asarray(others))))
        whole = np.concatenate([others[own], queries[:, None]], axis=1)
        true = np.asarray(span(jnp.asarray(whole))["volume"])
        others_volume = columns["volume"][own]
        rows = {
            "query": queries,
            "own": own.astype(np.int32),
            "true": true,
            "others": others_volume,
        }
        columns["index"] = np.arange(len(answer_ids), dtype=np.int32)
        sums = tiles.sum_over_columns(
            _count,
            len(queries),
            lambda part: {name: value[part] for name, value in rows.items()},
            columns,
        )
        rank = 1 + sums["above"] + sums["equal"] / 2
        true_volume = float(true.mean())
        return {f"R@{k}": float((rank <= k).mean()) for k in self.ks} | {
            "median_rank": float(np.median(rank)),
            "queries": float(len(rank)),
            "gallery": float(len(answer_ids)),
            "chance_R@1": 1 / len(answer_ids),
            "true_volume": true_volume,
            "volume_ratio": true_volume / float(sums["volume"].mean() / len(answer_ids)),
        }


def _rows(embedded: list[Embedded]) -> tuple[list[np.ndarray], np.ndarray]:
    """Unit rows of the records that have all of these modalities, and their ids."""
    rows = embedded[0].rows
    for part in embedded[1:]:
        rows = np.intersect1d(rows, part.rows)
    at = [np.searchsorted(part.rows, rows) for part in embedded]
    units = [part.unit[index] for part, index in zip(embedded, at, strict=True)]
    return units, embedded[0].ids[at[0]]


def _count(constants: Any, rows: Arrays, columns: Arrays, real: jax.Array) -> dict[str, jax.Array]:
    """Wrong answers with a smaller and with an equal volume, and the sum of all volumes."""
    true = rows["true"][:, None]
    own = columns["index"] == rows["own"][:, None]
    volume = jnp.where(own, true, with_anchors(rows["query"], columns))
    wrong = real & ~own
    difference = volume**2 - true**2
    tie = TIE * jnp.maximum(rows["others"][:, None], columns["volume"]) ** 2
    return {
        "above": (wrong & (difference < -tie)).sum(1, dtype=jnp.int32),
        "equal": (wrong & (jnp.abs(difference) <= tie)).sum(1, dtype=jnp.int32),
        "volume": jnp.where(real, volume, 0.0).sum(1),
    }

"""Retrieval with more than two modalities: queries and answers are tuples of modalities."""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.evaluators import ranking, tiles
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.tiles import Arrays
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count

# Squared volumes that differ by no more are equal: what rounding of the determinant leaves.
TIE = 2e-6
_SPAN = ("others", "adjugate", "det")

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
        if score == "volume" and (len(query) != 1 or len(answer) > 4):
            raise ValueError(
                f"tuple_retrieval: score='volume' takes one query modality and at most 4 of the "
                f"answer, not {query!r} and {answer!r}"
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
            raise ValueError(
                "tuple_retrieval: with score='volume' a query has one right answer, but "
                f"{count.max()} answers have the id {known[count.argmax()]}"
            )
        kept = np.isin(query_ids, known)
        queries, own = queries[kept], first[np.searchsorted(known, query_ids[kept])]
        columns = _span(np.stack(answers, axis=1))
        right = {name: value[own] for name, value in columns.items()}
        true = np.asarray(_squared(queries[:, None], jax.tree.map(lambda v: v[:, None], right)))
        rows = {"query": queries, "own": own.astype(np.int32), "true": true[:, 0]}
        columns["index"] = np.arange(len(answer_ids), dtype=np.int32)
        sums = tiles.sum_over_columns(
            _count,
            len(queries),
            lambda part: {name: value[part] for name, value in rows.items()},
            columns,
        )
        rank = 1 + sums["above"] + sums["equal"] / 2
        true_volume = float(np.sqrt(np.maximum(true, 0)).mean())
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


def _span(others: np.ndarray) -> dict[str, np.ndarray]:
    """The vectors f32[G, M, D] of each answer, with the adjugate and determinant of their Gram."""
    gram = np.einsum("gmd,gnd->gmn", others, others, dtype=np.float64)
    size = gram.shape[1]
    adjugate = np.empty_like(gram)
    for m in range(size):
        for n in range(size):
            minor = np.delete(np.delete(gram, n, axis=1), m, axis=2)
            adjugate[:, m, n] = (-1) ** (m + n) * (np.linalg.det(minor) if size > 1 else 1.0)
    return {
        "others": others,
        "adjugate": adjugate.astype(np.float32),
        "det": np.linalg.det(gram).astype(np.float32),
    }


def _squared(query: Any, columns: Mapping[str, Any]) -> jax.Array:
    """V²: det H - gᵀ adj(H) g; of f32[..., D] and columns [..., c]: f32[..., c]."""
    g = jnp.einsum("...d,...cmd->...cm", query[..., 0, :], columns["others"], precision="highest")
    inside = jnp.einsum("...cm,...cmn,...cn->...c", g, columns["adjugate"], g, precision="highest")
    squared: jax.Array = columns["det"] - inside
    return squared


def _count(constants: Any, rows: Arrays, columns: Arrays, real: jax.Array) -> dict[str, jax.Array]:
    """Wrong answers with a smaller and with an equal volume, and the sum of all volumes."""
    squared = _squared(rows["query"][:, None], {name: columns[name][None] for name in _SPAN})
    wrong = real & (columns["index"] != rows["own"][:, None])
    difference = squared - rows["true"][:, None]
    volume = jnp.sqrt(jnp.maximum(squared, 0.0))
    return {
        "above": (wrong & (difference < -TIE)).sum(1, dtype=jnp.int32),
        "equal": (wrong & (jnp.abs(difference) <= TIE)).sum(1, dtype=jnp.int32),
        "volume": jnp.where(real, volume, 0.0).sum(1),
    }

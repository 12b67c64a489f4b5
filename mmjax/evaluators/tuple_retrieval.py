"""Retrieval with more than two modalities: queries and answers are tuples of modalities."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.evaluators import ranking, tiles
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.retrieval import numbered, values_of
from mmjax.evaluators.tiles import Arrays
from mmjax.parallel.volume import span, with_anchors
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count

# Squared volumes that differ by no more than this share of that of the answer alone are equal: what
# rounding leaves.
TIE = 2e-6

Fields = Sequence[Mapping[str, Any]]
Score = Literal["cosine_sum", "paired_sum", "multilinear", "volume"]


# One vector for a tuple, f32[N, D] of its modalities', so that scores are inner products.
COMBINED: dict[Score, Callable[[list[np.ndarray]], np.ndarray]] = {
    "cosine_sum": lambda parts: np.sum(parts, axis=0),
    "paired_sum": lambda parts: np.concatenate(parts, axis=1),
    "multilinear": lambda parts: np.prod(parts, axis=0),
}


class TupleRetrieval(Evaluator):
    """Ranks answers, each a tuple of modalities, for queries that are tuples of others.

    The score of a query with unit vectors q and an answer with unit vectors u is

        cosine_sum: the sum of q·u over all q and u, what pairwise losses train;
        paired_sum: the sum of q·u over q and u at the same places, such as text with text and image
            with image of a mention and an entity (entity linking, M3EL, Hu et al. 2024, arXiv
            2412.10440);
        multilinear: Σ_d of the product of all q_d and u_d, what Symile trains;
        volume: minus the squared volume that q, which is one, and all u span, what GRAM trains.

    An answer is right if its record has the query's id; for `volume` a query has one. Metrics:
    `R@1`, ..., `median_rank`, `queries`, `gallery`, `chance_R@1`; for `volume` also `true_volume`,
    the mean volume of the right tuples, and `volume_ratio`, that over the mean of all; for the
    other scores `mean_rank` and `MRR`, the mean reciprocal rank. Equal scores count by their random
    order; for `volume`, a wrong answer with the right one's score counts as half an answer above
    it.

    Args:
      query: modalities of a query.
      answer: modalities of an answer.
      score: which score.
      ks: the k of R@k.
      missing: what becomes of records that lack some of the modalities: 'drop' leaves them out;
        'zero' keeps those that have one of them, and takes the zero vector for a missing one. Not
        for `multilinear` and `volume`, where that would be a score of zero.
      labels: the field by which answers are right, in the place of the id.

    With the optional source `gallery` answers are that source's and queries those of `source`.
    """

    optional = ("gallery",)

    def __init__(
        self,
        *,
        query: tuple[ViewRef, ...],
        answer: tuple[ViewRef, ...],
        score: Score = "cosine_sum",
        ks: tuple[Count, ...] = (1, 5, 10),
        missing: Literal["drop", "zero"] = "drop",
        labels: LabelRef | None = None,
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
        if score == "paired_sum" and len(query) != len(answer):
            raise ValueError(
                f"tuple_retrieval: score='paired_sum' takes as many modalities of an answer, "
                f"{answer!r}, as of a query, {query!r}"
            )
        if missing == "zero" and score in ("multilinear", "volume"):
            raise ValueError(f"tuple_retrieval: missing='zero' is not for score={score!r}")
        self.query, self.answer, self.score, self.ks = query, answer, score, ks
        self.missing, self.labels = missing, labels

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answers are of the `gallery`, where there is one."""
        if source == "gallery":
            return {"answer": options["answer"], "labels": options["labels"]}
        return {name: options[name] for name in ("query", "answer", "labels")}

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, gallery: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        if gallery is None:
            embedded = embed(model, data, (*self.query, *self.answer))
        else:
            embedded = embed(model, data, self.query) | embed(model, gallery, self.answer)
        rows = _rows if self.missing == "drop" else _rows_of_any
        queries, query_ids, asked = rows([embedded[m] for m in self.query])
        answers, answer_ids, known = rows([embedded[m] for m in self.answer])
        if self.labels is not None:
            query_ids, answer_ids = numbered(
                [values_of(own, self.labels) for own in asked],
                [values_of(own, self.labels) for own in known],
                f"tuple_retrieval: {self.labels!r}",
            )
        if self.score == "volume":
            return self._by_volume(queries[0], answers, query_ids, answer_ids)
        combine = COMBINED[self.score]
        return self._by_product(combine(queries), combine(answers), query_ids, answer_ids)

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
            "mean_rank": float(rank.mean()),
            "MRR": float((1 / rank).mean()),
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


def _rows(embedded: list[Embedded]) -> tuple[list[np.ndarray], np.ndarray, Fields]:
    """Unit rows of the records that have all of these modalities, their ids and other fields."""
    rows = embedded[0].rows
    for part in embedded[1:]:
        rows = np.intersect1d(rows, part.rows)
    at = [np.searchsorted(part.rows, rows) for part in embedded]
    units = [part.unit[index] for part, index in zip(embedded, at, strict=True)]
    return units, embedded[0].ids[at[0]], [embedded[0].fields[i] for i in at[0]]


def _rows_of_any(embedded: list[Embedded]) -> tuple[list[np.ndarray], np.ndarray, Fields]:
    """The same of the records that have one of these modalities; rows of others are zero."""
    rows, first = np.unique(np.concatenate([part.rows for part in embedded]), return_index=True)
    ids = np.concatenate([part.ids for part in embedded])[first]
    every = [fields for part in embedded for fields in part.fields]
    units = []
    for part in embedded:
        unit = np.zeros((len(rows), part.unit.shape[1]), part.unit.dtype)
        unit[np.searchsorted(rows, part.rows)] = part.unit
        units.append(unit)
    return units, ids, [every[i] for i in first]


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

"""Reranking: the nearest answers, ordered by a term that looks at both sides of a pair."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.neighbours import Gallery
from mmjax.evaluators.retrieval import values_of
from mmjax.schema.annotations import LabelRef, MatchRef, ViewRef
from mmjax.schema.bounds import Count

_PAIRS = 256  # that are scored at once
_BINS = 10  # of the calibration error


class Rerank(Evaluator):
    """Retrieval in two steps: `candidates` by cosine, and their order by a term's own score.

    As models with a matching term are evaluated: its fusion encoder is too slow for all pairs, and
    better than a cosine for those that are near (Li et al. 2021, ALBEF, arXiv 2107.07651, section
    4). An answer is right if its record has the query's id, or shares one of its values of
    `labels`. Only the first value of a record is taken.

    Metrics of each direction, such as `text_to_image/R@1`: R@k after reranking, and MRR, the mean
    of one over the rank of the right answer, 0 where it is no candidate; `cosine/R@k` and
    `cosine/MRR`, by cosine alone; `found`, the share of queries with a right answer among the
    candidates, which is the most that reranking can reach; `queries`. And `unreadable`.

    With `labels` also P@k, the share of right answers among the first k, and `cosine/P@k`.

    With `threshold` answers are dropped whose probability, the logistic function of the score, is
    at most that, so that a query keeps up to the largest k (Mortaheb et al. 2025, arXiv
    2501.04695): `kept/precision` and `kept/recall`, of all answers that were kept, over all
    queries, and of min(k, right answers of the query); `kept/mean`, how many of a query, and
    `kept/none`, the share of queries with none. The same as `fixed/precision` and `fixed/recall` of
    the first k without dropping any, and as `cosine_kept/...` of the first k by cosine, dropped
    below the cosine that keeps as many. And `ECE`, the expected calibration error of these
    probabilities over all candidates, in ten bins.

    Args:
      pairs: pairs of modalities, both directions of each.
      term: name of the objective, of a type such as `matching`, `relevance` or
        `late_interaction_nce`.
      candidates: how many of each query.
      ks: the k of R@k and P@k, at most `candidates`.
      labels: the field by which answers are right; of a record it may hold several values.
      gallery_labels: that field of the gallery's records, if it has another name.
      threshold: of the probability, from 0 up to 1.

    With the optional source `gallery` answers are that source's, and the first modality of a pair
    searches for the second, in this direction only.
    """

    optional = ("gallery",)

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        term: MatchRef,
        candidates: Count = 16,
        ks: tuple[Count, ...] = (1, 5, 10),
        labels: LabelRef | None = None,
        gallery_labels: LabelRef | None = None,
        threshold: float | None = None,
    ):
        if not pairs or any(a == b for a, b in pairs):
            raise ValueError(f"rerank: pairs={pairs!r} should be of two different views each")
        if not ks or max(ks) > candidates:
            raise ValueError(f"rerank: ks={ks!r} should be at most candidates={candidates}")
        if threshold is not None and not 0 <= threshold < 1:
            raise ValueError(f"rerank: threshold={threshold} should be from 0 up to below 1")
        self.pairs, self.term, self.candidates, self.ks = pairs, term, candidates, ks
        self.labels, self.gallery_labels = labels, gallery_labels or labels
        self.threshold = threshold

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Queries of a `gallery` are of one source and answers of the other, labels of both."""
        if source == "gallery":
            labels = options["gallery_labels"] or options["labels"]
            return {"pairs": tuple(p[1:] for p in options["pairs"]), "gallery_labels": labels}
        return {name: options[name] for name in ("pairs", "labels", "term")}

    def __call__(
        self, model: Any, data: EvalData, mesh: Any = None, *, gallery: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        metrics, sources = {"unreadable": 0.0}, (data, gallery or data)
        counted = set()
        for pair in self.pairs:
            for query, answer in (pair, pair[::-1])[: 2 if gallery is None else 1]:
                asked = _Side.of(model, data, query, self.term)
                given = _Side.of(model, gallery or data, answer, self.term)
                sides = (asked, given)
                for source, side in zip(sources, sides, strict=True):
                    if (id(source), side.items.modality) not in counted:
                        counted.add((id(source), side.items.modality))
                        metrics["unreadable"] += len(side.items.unreadable)
                try:
                    score = model.matcher(self.term, query, answer)
                except ValueError as error:
                    raise EvaluationError(f"rerank: {error}") from error
                found = self._direction(asked, given, score)
                metrics |= {f"{query}_to_{answer}/{name}": value for name, value in found.items()}
        return metrics

    def _direction(
        self,
        queries: "_Side",
        answers: "_Side",
        score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> dict[str, float]:
        right_of = self._right(queries.items, answers.items)
        known = np.array([len(own) > 0 for own in right_of])
        if not known.any():
            raise EvaluationError("rerank: no query has a right answer")
        asked, features = queries.items.unit[known], queries.compared[known]
        cosines, near = Gallery(answers.items.unit).nearest(asked, self.candidates)
        rows = np.repeat(np.arange(len(near)), near.shape[1])
        scores = self._scores(features, answers.compared, rows, near.reshape(-1), score)
        scores = scores.reshape(near.shape)
        # Of equal scores the nearer one comes first.
        order = np.argsort(-scores, axis=1, kind="stable")
        every = [own for own in right_of if len(own)]
        right = np.stack([np.isin(row, own) for row, own in zip(near, every, strict=True)])
        reranked = np.take_along_axis(right, order, 1)
        metrics = {
            **self._measured(reranked),
            **{f"cosine/{name}": value for name, value in self._measured(right).items()},
            "found": float(right.any(1).mean()),
            "queries": float(len(right)),
        }
        if self.threshold is not None:
            sure = 1 / (1 + np.exp(-np.take_along_axis(scores, order, 1).astype(np.float64)))
            total = np.array([len(own) for own in every])
            metrics |= _cut(reranked, sure, right, cosines, total, max(self.ks), self.threshold)
        return metrics

    def _right(self, queries: Embedded, answers: Embedded) -> list[np.ndarray]:
        """Positions of the right answers of every query."""
        if self.labels is None:
            asked = [[own] for own in queries.ids.tolist()]
            given = [[own] for own in answers.ids.tolist()]
        else:
            asked = [values_of(own, self.labels) for own in queries.fields]
            given = [values_of(own, str(self.gallery_labels)) for own in answers.fields]
        where: dict[Any, list[int]] = {}
        for place, own in enumerate(given):
            for value in own:
                where.setdefault(value, []).append(place)
        return [
            np.unique(np.array([p for value in own for p in where.get(value, ())], np.int64))
            for own in asked
        ]

    def _scores(
        self,
        x: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """f32[P], of row rows[p] of x with row columns[p] of y; one shape for the device."""
        size = min(_PAIRS, len(rows))
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), size):
            part = np.minimum(np.arange(start, start + size), len(rows) - 1)
            end = min(start + size, len(rows))
            found[start:end] = score(x[rows[part]], y[columns[part]])[: end - start]
        return found

    def _measured(self, right: np.ndarray) -> dict[str, float]:
        """Of bool[Q, k], whether the answers in order are right."""
        first = np.where(right.any(1), right.argmax(1) + 1.0, np.inf)
        found = {f"R@{k}": float((first <= k).mean()) for k in self.ks}
        if self.labels is not None:
            found |= {f"P@{k}": float(right[:, :k].mean()) for k in self.ks}
        return {**found, "MRR": float((1 / first).mean())}


class _Side(NamedTuple):
    """One side of the pairs: items, and what the term compares of them, f32[N, F]."""

    items: Embedded
    compared: np.ndarray

    @classmethod
    def of(cls, model: Any, data: EvalData, name: str, term: str) -> "_Side":
        items = embed(model, data, (name,))[name]
        return cls(items, embed(model, data, (name,), layer=f"objectives.{term}")[name].unit)


def _cut(
    right: np.ndarray,
    sure: np.ndarray,
    right_by_cosine: np.ndarray,
    cosine: np.ndarray,
    total: np.ndarray,
    k: int,
    threshold: float,
) -> dict[str, float]:
    """Metrics of up to k answers, with and without a threshold; see `Rerank`.

    Args:
      right: bool[Q, C], of reranked candidates; sure: f64[Q, C], their probabilities.
      right_by_cosine: bool[Q, C], of candidates by cosine; cosine: f32[Q, C], highest first.
      total: i64[Q], right answers there are.
      k: how many at most.
      threshold: of the probability.
    """
    first, kept = right[:, :k], sure[:, :k] > threshold
    possible = np.minimum(k, total).sum()

    def of(name: str, right: np.ndarray, kept: np.ndarray) -> dict[str, float]:
        hits = (right & kept).sum()
        return {
            f"{name}/precision": float(hits / max(kept.sum(), 1)),
            f"{name}/recall": float(hits / possible),
        }

    near = cosine[:, :k]
    limit = np.sort(near, axis=None)[::-1][max(kept.sum() - 1, 0)]
    by_cosine = (near >= limit) & bool(kept.any())
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(right[bins == n].mean() - sure[bins == n].mean()) * (bins == n).mean()
        for n in np.unique(bins)
    ]
    return {
        **of("kept", first, kept),
        "kept/mean": float(kept.sum(1).mean()),
        "kept/none": float((~kept.any(1)).mean()),
        **of("fixed", first, np.ones_like(first)),
        **of("cosine_kept", right_by_cosine[:, :k], by_cosine),
        "ECE": float(sum(gaps)),
    }

"""Reranking: the nearest answers, ordered by a term that looks at both sides of a pair."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.knn import neighbours
from mmjax.schema.annotations import MatchRef, ViewRef
from mmjax.schema.bounds import Count

_PAIRS = 256  # that are scored at once


class Rerank(Evaluator):
    """Retrieval in two steps: `candidates` by cosine, and their order by a term's own score.

    As models with a matching term are evaluated: its fusion encoder is too slow for all pairs, and
    better than a cosine for those that are near (Li et al. 2021, ALBEF, arXiv 2107.07651, section
    4). An answer is right if its record has the query's id. Only the first value of a record is
    taken.

    Metrics of each direction, such as `text_to_image/R@1`: R@k after reranking, and MRR, the mean
    of one over the rank of the right answer, 0 where it is no candidate; `cosine/R@k` and
    `cosine/MRR`, by cosine alone; `found`, the share of queries whose right answer is a candidate,
    which is the most that reranking can reach; `queries`. And `unreadable`.

    Args:
      pairs: pairs of modalities, both directions of each.
      term: name of the objective, of a type such as `matching` or `late_interaction_nce`.
      candidates: how many of each query.
      ks: the k of R@k, at most `candidates`.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        term: MatchRef,
        candidates: Count = 16,
        ks: tuple[Count, ...] = (1, 5, 10),
    ):
        if not pairs or any(a == b for a, b in pairs):
            raise ValueError(f"rerank: pairs={pairs!r} should be of two different views each")
        if not ks or max(ks) > candidates:
            raise ValueError(f"rerank: ks={ks!r} should be at most candidates={candidates}")
        self.pairs, self.term, self.candidates, self.ks = pairs, term, candidates, ks

    def __call__(self, model: Any, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        names = tuple(dict.fromkeys(name for pair in self.pairs for name in pair))
        units = embed(model, data, names)
        compared = embed(model, data, names, layer=f"objectives.{self.term}")
        metrics = {"unreadable": float(sum(len(each.unreadable) for each in units.values()))}
        for pair in self.pairs:
            for query, answer in (pair, pair[::-1]):
                try:
                    score = model.matcher(self.term, query, answer)
                except ValueError as error:
                    raise EvaluationError(f"rerank: {error}") from error
                sides = [(units[name], compared[name]) for name in (query, answer)]
                found = self._direction(*sides[0], *sides[1], score)
                metrics |= {f"{query}_to_{answer}/{name}": value for name, value in found.items()}
        return metrics

    def _direction(
        self,
        queries: Embedded,
        of_queries: Embedded,
        answers: Embedded,
        of_answers: Embedded,
        score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> dict[str, float]:
        known = np.isin(queries.ids, answers.ids)
        if not known.any():
            raise EvaluationError("rerank: no query has a right answer")
        asked, features = queries.unit[known], of_queries.unit[known]
        _, near = neighbours(answers.unit, asked, min(self.candidates, len(answers)))
        rows = np.repeat(np.arange(len(near)), near.shape[1])
        scores = self._scores(features, of_answers.unit, rows, near.reshape(-1), score)
        # Of equal scores the nearer one comes first.
        order = np.argsort(-scores.reshape(near.shape), axis=1, kind="stable")
        right = answers.ids[near] == queries.ids[known][:, None]
        return {
            **self._measured(np.take_along_axis(right, order, 1)),
            **{f"cosine/{name}": value for name, value in self._measured(right).items()},
            "found": float(right.any(1).mean()),
            "queries": float(len(right)),
        }

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
        return {**found, "MRR": float((1 / first).mean())}

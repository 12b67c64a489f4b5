"""Selection: which of a record's own candidates belong to its query."""

import math
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.multilabel import jaccard
from mmjax.evaluators.retrieval import values_of
from mmjax.schema.annotations import LabelRef, ViewRef


class Selection(Evaluator):
    """Selects as many of a record's candidates for its query as are right, by their cosines.

    A cue and several images, of which some are associated with it, as in WinoGAViL (Bitton et al.
    2022, arXiv 2207.12576). The candidates of a record are the alternatives of its field, and how
    many of them are right is known.

    Metrics: `jaccard`, mean over records of the intersection over union of the selected and the
    right candidates; `<n>/jaccard` of the records with n candidates; `chance`, the expected
    `jaccard` of a random selection; `examples`, and `unreadable` candidates and queries, whose
    records are left out.

    Args:
      query: an output of a tower, such as `text`.
      candidates: of the candidates, such as `image`.
      right: label with a truth value for each candidate of a record, in their order.
      layer: as of `Embedder.embed`.
    """

    def __init__(
        self,
        *,
        query: ViewRef = "text",
        candidates: ViewRef = "image",
        right: LabelRef = "right",
        layer: str = "unit",
    ):
        self.query, self.candidates, self.right, self.layer = query, candidates, right, layer
        self.pair = (query, candidates)

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        queries = embed(model, data, (self.query,), layer=self.layer)[self.query]
        items = embed(model, data, (self.candidates,), "all", self.layer)[self.candidates]
        starts = np.searchsorted(items.rows, queries.rows)
        ends = np.searchsorted(items.rows, queries.rows, "right")
        scores, truth = [], []
        for query, start, end in zip(range(len(queries)), starts, ends, strict=True):
            right = np.array(values_of(queries.fields[query], self.right), bool)
            if end == start or end - start < len(right):
                continue  # one that could not be read
            self._check(right, end - start, queries.fields[query]["key"])
            scores.append(items.unit[start:end] @ queries.unit[query])
            truth.append(right)
        if not truth:
            raise EvaluationError(
                f"selection: no record has its {self.query!r} and all its {self.candidates!r}"
            )
        sizes = np.array([len(own) for own in truth])
        shape = (len(truth), sizes.max())
        padded, known = np.full(shape, -np.inf), np.zeros(shape, bool)
        for n, (own, right) in enumerate(zip(scores, truth, strict=True)):
            padded[n, : sizes[n]], known[n, : sizes[n]] = own, right
        found = jaccard(padded, known)
        unreadable = len(queries.unreadable) + len(items.unreadable)
        return {
            "jaccard": float(found.mean()),
            **{f"{n}/jaccard": float(found[sizes == n].mean()) for n in sorted(set(sizes))},
            "chance": float(np.mean([_chance(int(own.sum()), len(own)) for own in truth])),
            "examples": float(len(truth)),
            "unreadable": float(unreadable),
        }

    def _check(self, right: np.ndarray, count: int, key: str) -> None:
        if len(right) != count or not right.any():
            raise EvaluationError(
                f"selection: {key} has {count} {self.candidates!r}, and {self.right!r} should say "
                f"of each whether it is right, and of one at least that it is, not {right.tolist()}"
            )


def _chance(right: int, count: int) -> float:
    """The expected Jaccard index of as many of `count` candidates as are right, at random."""
    ways = math.comb(count, right)
    hits = range(max(0, 2 * right - count), right + 1)
    return sum(
        math.comb(right, n) * math.comb(count - right, right - n) / ways * n / (2 * right - n)
        for n in hits
    )

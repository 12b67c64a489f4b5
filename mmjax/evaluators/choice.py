"""Choice between a right and wrong answers: how composition is tested."""

import functools
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class Choice(Evaluator):
    """Forced choice: is a query nearer to its right answer than to its wrong ones?

    An image against a caption and the same caption with two words exchanged, as in ARO (Yuksekgonul
    et al. 2023, arXiv 2210.01936) and SugarCrepe (Hsieh et al. 2023, arXiv 2306.14610). Scores are
    cosines; equal scores count as half. A record counts where it has the query, the right answer
    and the wrong answer that is asked about: not every one has every wrong answer.

    Metrics: `<wrong>` (share of queries that are nearer to `right` than to this wrong answer), for
    each of `wrong`; `accuracy` (their mean); `all` (share, of the records that have all of them, of
    those that are nearer to `right` than to every one, where ties count as wrong); `chance` of
    `accuracy` (0.5); `examples` and `unreadable`. With `counterpart`, also the scores of Winoground
    (Thrush et al. 2022, arXiv 2204.03162), of two queries with an answer each: `text` (each query
    is nearer to its own answer), `image` (each answer is nearer to its own query) and `group`
    (both), where ties count as wrong; chance is 1/4, 1/4 and 1/6. With `by`, `<value>/accuracy` of
    the records with one value of that label, such as a relation, and `macro`, the mean of these,
    which ARO is told by.

    Args:
      query: an output of a tower, such as `image`.
      right: of the right answers, such as `text`.
      wrong: of wrong ones, such as `text@swapped`: views of other fields, which need no place in
        training (`train=False`).
      counterpart: the query whose right answer is the first of `wrong`, such as `image@other`.
      by: a label of the queries.
      least: values of `by` that fewer records have are left out of `macro`.
      layer: as of `Embedder.embed`.
    """

    def __init__(
        self,
        *,
        query: ViewRef = "image",
        right: ViewRef = "text",
        wrong: tuple[ViewRef, ...],
        counterpart: ViewRef | None = None,
        by: LabelRef | None = None,
        least: Count = 1,
        layer: str = "unit",
    ):
        if not wrong or len(set(wrong)) != len(wrong) or right in wrong:
            raise ValueError(f"choice: wrong={wrong} should name answers, each once, not {right!r}")
        self.query, self.right, self.wrong = query, right, tuple(wrong)
        self.counterpart, self.layer = counterpart, layer
        self.by, self.least = by, least
        self.pair = (query, right)

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        names = [self.query, self.right, *self.wrong]
        names += [] if self.counterpart is None else [self.counterpart]
        embedded = embed(model, data, tuple(dict.fromkeys(names)), layer=self.layer)

        def of(*some: str) -> list[np.ndarray]:
            """Embeddings f64[N, D] of the records that have them all."""
            rows = _shared([embedded[name] for name in some])
            found = (embedded[name] for name in some)
            return [e.unit[np.searchsorted(e.rows, rows)].astype(np.float64) for e in found]

        metrics = {}
        groups: dict[str, list[float]] = {}
        for name in self.wrong:
            query, right, other = of(self.query, self.right, name)
            margin = _cosine(query, right) - _cosine(query, other)
            hits = (margin > 0) + 0.5 * (margin == 0)
            metrics[name] = float(hits.mean())
            if self.by is not None:
                rows = _shared([embedded[each] for each in (self.query, self.right, name)])
                for value, hit in zip(self._values(embedded[self.query], rows), hits, strict=True):
                    groups.setdefault(value, []).append(float(hit))
        query, right, *others = of(self.query, self.right, *self.wrong)
        best = np.max([_cosine(query, other) for other in others], axis=0)
        metrics |= {
            "accuracy": float(np.mean([metrics[name] for name in self.wrong])),
            "all": float((_cosine(query, right) > best).mean()),
            "chance": 0.5,
            "examples": float(len(query)),
            "unreadable": float(sum(len(each.unreadable) for each in embedded.values())),
        }
        if self.counterpart is not None:
            a, b, x, y = of(self.query, self.counterpart, self.right, self.wrong[0])
            ax, ay, bx, by = (_cosine(p, q) for p in (a, b) for q in (x, y))
            text, image = (ax > ay) & (by > bx), (ax > bx) & (by > ay)
            found = {"text": text, "image": image, "group": text & image}
            metrics |= {name: float(hit.mean()) for name, hit in found.items()}
        return metrics | self._macro(groups)

    def _values(self, queries: Embedded, rows: np.ndarray) -> list[str]:
        """The label `by` of rows."""
        assert self.by is not None
        fields = [queries.fields[n] for n in np.searchsorted(queries.rows, rows)]
        return [str(value) for value in labels_of(fields, self.by, "choice")]

    def _macro(self, groups: dict[str, list[float]]) -> dict[str, float]:
        if self.by is None:
            return {}
        enough = {value: hits for value, hits in groups.items() if len(hits) >= self.least}
        if not enough:
            raise EvaluationError(f"choice: no {self.by!r} is that of least={self.least} records")
        shares = {value: float(np.mean(enough[value])) for value in sorted(enough)}
        named = {f"{value}/accuracy": share for value, share in shares.items()}
        return {**named, "macro": float(np.mean(list(shares.values())))}


def _shared(some: list[Embedded]) -> np.ndarray:
    """The rows that all have, i64[N]."""
    rows: np.ndarray = functools.reduce(np.intersect1d, (each.rows for each in some))
    if not len(rows):
        names = ", ".join(each.modality for each in some)
        raise EvaluationError(f"choice: no record has all of {names}")
    return rows


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row by row, f64[N]; equal rows have equal cosines."""
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    found: np.ndarray = (x * y).sum(1) / np.maximum(lengths, 1e-12)
    return found

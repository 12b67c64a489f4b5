"""Retrieval from one index of several modalities, merged or routed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmjax.evaluators import logistic, ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegative

# More than any difference of cosines: items of the route come before all others.
_BEFORE_ALL = 10.0


class _Index(NamedTuple):
    """Items of all modalities.

    Attributes:
      vectors: f64[N, D], unit rows.
      modality: i64[N], its number.
      ids: i64[N], of the records.
    """

    vectors: np.ndarray
    modality: np.ndarray
    ids: np.ndarray


class MergedRetrieval(Evaluator):
    """Queries that ask for an item of one modality, in an index that holds several.

    The right answer is the item of the query's record, by its id, in the modality that the label
    `route` names. With an offset between modalities a merged index returns items of the modality
    that lies nearest to the queries, whatever they ask for; Yeo et al. 2025 (UniversalRAG, arXiv
    2504.20734) route each query to the index of one modality instead, by a classifier.

    Metrics, R@k of several ways to search:
      merged/R@1, ...: by cosine in one index; merged/share_text, ...: the share of its first
        answers that are of each modality.
      centred/R@1, ...: the same without the means of each modality and of the queries of `train`.
      routed/R@1, ...: among items of the modality that the router says; oracle/R@1, ...: of that
        which is right; random/R@1, ...: the mean over all modalities.
      soft/R@1, ...: by the centred cosine and `weight` times the router's log probability.
      router: the router's accuracy; `queries`, `items`, and `unreadable`.

    The router is a logistic regression on the embeddings of queries of the further source `train`;
    the items are of the further source `index`.

    Args:
      query: view of the queries.
      items: views of the items.
      route: label of queries, the view of the item that is asked for.
      ks: the k of R@k.
      weight: of the router's log probability in `soft`.
      c: inverse strength of the router's L2 penalty beside its mean loss.
    """

    further = ("train", "index")

    def __init__(
        self,
        *,
        query: ViewRef = "text",
        items: tuple[ViewRef, ...] = ("text", "image"),
        route: LabelRef = "route",
        ks: tuple[Count, ...] = (1, 5, 10),
        weight: NonNegative = 0.1,
        c: Factor = 1e4,
    ):
        if len(items) < 2 or len({*items}) != len(items):
            raise ValueError(f"merged_retrieval: items={items!r} should be two different views")
        if not ks:
            raise ValueError("merged_retrieval: 'ks' is empty; give numbers from 1 up")
        self.query, self.items, self.route, self.ks = query, items, route, ks
        self.weight, self.c = weight, c

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Queries and their routes of both sources, items of the index."""
        names = ("items",) if source == "index" else ("query", "route")
        return {name: options[name] for name in names}

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData, index: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        queries = embed(model, data, (self.query,))[self.query]
        known = embed(model, train, (self.query,))[self.query]
        found = embed(model, index, self.items)
        items = _Index(
            np.concatenate([found[name].unit for name in self.items]).astype(np.float64),
            np.repeat(np.arange(len(self.items)), [len(found[name]) for name in self.items]),
            np.concatenate([found[name].ids for name in self.items]),
        )
        missing = [name for name in self.items if not len(found[name])]
        if missing:
            raise EvaluationError(f"merged_retrieval: the index has no items of {missing[0]!r}")
        asked, of_train = (self._routes(each.fields) for each in (queries, known))
        log_probability = self._router(known.unit, of_train, queries.unit)
        said = log_probability.argmax(1)
        x = queries.unit.astype(np.float64)
        metrics = {
            "router": float((said == asked).mean()),
            "queries": float(len(x)),
            "items": float(len(items.ids)),
            "unreadable": float(sum(map(len, (
                queries.unreadable, *(each.unreadable for each in found.values()))))),
        }  # fmt: skip
        centred, places = self._centred(x, known.unit.mean(0), items)
        every, own = np.eye(len(self.items)), np.eye(len(self.items))[items.modality]

        def measured(
            of: str, q: np.ndarray, y: np.ndarray, extra: np.ndarray | None = None
        ) -> None:
            """Recall by dot products, and `extra` f64[Q, M] for items of each modality."""
            if extra is not None:
                q, y = np.concatenate([q, extra], 1), np.concatenate([y, own], 1)
            for k, value in self._recall(q, y, queries.ids, asked, items).items():
                metrics[f"{of}/R@{k}"] = value

        measured("merged", x, items.vectors)
        metrics |= self._shares(x, items)
        measured("centred", centred, places)
        measured("routed", x, items.vectors, _BEFORE_ALL * every[said])
        measured("oracle", x, items.vectors, _BEFORE_ALL * every[asked])
        measured("soft", centred, places, self.weight * log_probability)
        # A wrong route finds nothing, and one of so many is right.
        for k in self.ks:
            metrics[f"random/R@{k}"] = metrics[f"oracle/R@{k}"] / len(self.items)
        return metrics

    def _routes(self, fields: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """i64[Q], the numbers of the modalities that queries ask for."""
        names = labels_of(fields, self.route, "merged_retrieval").tolist()
        for name in names:
            if name not in self.items:
                raise EvaluationError(
                    f"merged_retrieval: the label {self.route!r} is {name!r}, which is none of "
                    f"items={self.items!r}"
                )
        return np.array([self.items.index(name) for name in names])

    def _router(self, x: np.ndarray, routes: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """f64[Q, M], log probabilities."""
        present = np.unique(routes)
        if len(present) < len(self.items):
            raise EvaluationError("merged_retrieval: queries of 'train' do not ask for every item")
        weights, bias = logistic.fit_classes(x, routes, len(self.items), self.c / len(x))
        logits = queries @ weights + bias
        top = logits.max(1, keepdims=True)
        normalizer = top + np.log(np.exp(logits - top).sum(1, keepdims=True))
        log_probability: np.ndarray = logits - normalizer
        return log_probability

    def _centred(
        self, x: np.ndarray, mean: np.ndarray, items: _Index
    ) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors of queries and items without the mean of their modality."""
        means = np.stack([items.vectors[items.modality == m].mean(0) for m in
                          range(len(self.items))])  # fmt: skip
        queries: np.ndarray = unit(x - mean)
        places: np.ndarray = unit(items.vectors - means[items.modality])
        return queries, places

    def _recall(
        self, x: np.ndarray, y: np.ndarray, ids: np.ndarray, asked: np.ndarray, items: _Index
    ) -> dict[int, float]:
        """R@k; queries without a right answer count as never found."""
        count = len(self.items)
        numbers = {each: n for n, each in enumerate(np.unique(np.concatenate([ids, items.ids])))}

        def pairs(ids: np.ndarray, modality: np.ndarray) -> np.ndarray:
            found: np.ndarray = np.array([numbers[each] for each in ids]) * count + modality
            return found

        ranks = ranking.rank(
            x.astype(np.float32), y.astype(np.float32), pairs(ids, asked),
            pairs(items.ids, items.modality),
        )  # fmt: skip
        best = ranking.best(ranks)
        return {k: float(ranking.hit(best, k).sum() / len(x)) for k in self.ks}

    def _shares(self, x: np.ndarray, items: _Index) -> dict[str, float]:
        """The modalities of first answers, a part of the queries at a time."""
        first = [
            items.modality[(x[start : start + 256] @ items.vectors.T).argmax(1)]
            for start in range(0, len(x), 256)
        ]
        counts = np.bincount(np.concatenate(first), minlength=len(self.items)) / len(x)
        return {
            f"merged/share_{name}": float(share)
            for name, share in zip(self.items, counts, strict=True)
        }

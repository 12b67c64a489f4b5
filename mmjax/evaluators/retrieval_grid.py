"""Which modalities of queries and of items to search by, and with which weights."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmjax.evaluators import ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, NonNegative

Weights = dict[tuple[str, str], float]  # (view of the query, view of the item) -> weight
_MOST = 1000  # combinations of weights that are tried


class RetrievalGrid(Evaluator):
    """Retrieval by every configuration of modalities on both sides, and by tuned weights.

    Queries and items have several modalities each, such as an image with a question, and the image
    and the text of a page. The score of a query and an item is sum_ab w_ab q_a k_b of unit vectors
    q_a and k_b: embeddings that are added without making them unit vectors again are the same.
    Which modalities should stand where, and that a question which does not name what it is about
    may hurt, is the study of Hu et al. 2025 (mRAG, arXiv 2505.24073). An item is right if its
    record has the query's id; only queries and items with all modalities count.

    Configurations, each with R@k, MRR and nDCG@10 as `image_to_text/R@1`:
      A_to_B: one modality each.
      A_to_all: one of the query, all of the item with equal weights.
      all_to_all: everything with equal weights.
      A_to_tuned: one of the query, weights of the item's.
      tuned: weights of all pairs.
    Weights are chosen by R@1 on the queries of the further source `train`, never on those that are
    measured: 1 for the pair that is best there alone, and of `grid` for the others; of equal ones
    the first. `tuned/weight/A_to_B` are those of the last, `A_to_tuned/weight/B` of the others.
    And `queries`, `items`.

    The items are of the further source `gallery`.

    Args:
      query: views of the queries.
      items: views of the items.
      grid: weights to choose from, 0 among them.
      ks: the k of R@k.
    """

    further = ("train", "gallery")

    def __init__(
        self,
        *,
        query: tuple[ViewRef, ...],
        items: tuple[ViewRef, ...] = ("image", "text"),
        grid: tuple[NonNegative, ...] = (0.0, 0.25, 0.5, 1.0, 2.0),
        ks: tuple[Count, ...] = (1, 5, 10),
    ):
        if not query or not items or set(query) & set(items):
            raise ValueError(
                f"retrieval_grid: query={query!r} and items={items!r} have to name different views"
            )
        if not grid or not ks:
            raise ValueError("retrieval_grid: 'grid' and 'ks' have to have numbers")
        tried = len(grid) ** (len(query) * len(items) - 1)
        if tried > _MOST:
            raise ValueError(
                f"retrieval_grid: {tried:,} combinations of weights are too many to try; give a "
                "shorter 'grid' or fewer views"
            )
        self.query, self.items, self.grid, self.ks = query, items, grid, ks

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Items of the gallery, queries of the other two."""
        name = "items" if source == "gallery" else "query"
        return {name: options[name]}

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData, gallery: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        items = _Tuples(embed(model, gallery, self.items), self.items)
        asked, known = (_Tuples(embed(model, d, self.query), self.query) for d in (data, train))
        metrics = {"queries": float(len(asked.ids)), "items": float(len(items.ids))}
        for name, weights in self._fixed():
            metrics |= {f"{name}/{k}": v for k, v in self._measured(asked, items, weights).items()}
        for name, pairs in self._tuned_sets():
            weights = self._chosen(known, items, pairs)
            found = self._measured(asked, items, weights)
            metrics |= {f"{name}/{key}": value for key, value in found.items()}
            for (a, b), weight in weights.items():
                metrics[f"{name}/weight/{f'{a}_to_{b}' if name == 'tuned' else b}"] = weight
        return metrics

    def _fixed(self) -> Iterator[tuple[str, Weights]]:
        for a in self.query:
            for b in self.items:
                yield f"{a}_to_{b}", {(a, b): 1.0}
            if len(self.items) > 1:
                yield f"{a}_to_all", {(a, b): 1.0 for b in self.items}
        if len(self.query) > 1:
            yield "all_to_all", dict.fromkeys(itertools.product(self.query, self.items), 1.0)

    def _tuned_sets(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        if len(self.items) > 1:
            for a in self.query:
                yield f"{a}_to_tuned", [(a, b) for b in self.items]
        if len(self.query) > 1:
            yield "tuned", list(itertools.product(self.query, self.items))

    def _chosen(self, known: "_Tuples", items: "_Tuples", pairs: list[tuple[str, str]]) -> Weights:
        """The weights with the highest R@1."""
        alone = [self._first(known, items, {pair: 1.0}) for pair in pairs]
        best = pairs[int(np.argmax(alone))]
        others = [pair for pair in pairs if pair != best]
        every = [
            {best: 1.0, **dict(zip(others, weights, strict=True))}
            for weights in itertools.product(self.grid, repeat=len(others))
        ]
        return every[int(np.argmax([self._first(known, items, weights) for weights in every]))]

    def _first(self, asked: "_Tuples", items: "_Tuples", weights: Weights) -> float:
        return float(ranking.hit(ranking.best(self._ranks(asked, items, weights)), 1).mean())

    def _measured(self, asked: "_Tuples", items: "_Tuples", weights: Weights) -> dict[str, float]:
        ranks = self._ranks(asked, items, weights)
        best = ranking.best(ranks)
        return {
            **{f"R@{k}": float(ranking.hit(best, k).mean()) for k in self.ks},
            "MRR": float((1 / ranking.expected_rank(best)).mean()),
            "nDCG@10": float(ranking.ndcg(ranks, 10).mean()),
        }

    def _ranks(self, asked: "_Tuples", items: "_Tuples", weights: Weights) -> ranking.Ranks:
        """One product gives the score: weighted sums of the query beside each other."""
        size = next(iter(items.unit.values())).shape[1]
        x = np.zeros((len(asked.ids), len(self.items), size), np.float32)
        for (a, b), weight in weights.items():
            if asked.unit[a].shape[1] != items.unit[b].shape[1]:
                raise EvaluationError(
                    f"retrieval_grid: {a!r} and {b!r} have embeddings of different sizes"
                )
            x[:, self.items.index(b)] += np.float32(weight) * asked.unit[a]
        y = np.stack([items.unit[b] for b in self.items], axis=1)
        queries, answers = x.reshape(len(x), -1), y.reshape(len(y), -1)
        # Scores keep their order under a common factor; ties are judged at the scale of unit rows.
        largest = np.linalg.norm(queries, axis=1).max() * np.linalg.norm(answers, axis=1).max()
        return ranking.rank(queries / max(largest, 1e-12), answers, asked.ids, items.ids)


class _Tuples:
    """Embeddings of the records that have all views, and their ids."""

    def __init__(self, embedded: Mapping[str, Embedded], names: tuple[str, ...]):
        rows = embedded[names[0]].rows
        for name in names[1:]:
            rows = np.intersect1d(rows, embedded[name].rows)
        if not len(rows):
            raise EvaluationError(f"retrieval_grid: no record has all of {', '.join(names)}")
        at = {name: np.searchsorted(embedded[name].rows, rows) for name in names}
        self.unit = {name: embedded[name].unit[at[name]] for name in names}
        self.ids = embedded[names[0]].ids[at[names[0]]]

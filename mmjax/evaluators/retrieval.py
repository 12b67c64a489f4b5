"""Cross-modal retrieval: recall at k, ranks and mean average precision, in both directions."""

from typing import Any, Literal

import numpy as np

from mmjax.evaluators import ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count


class Retrieval(Evaluator):
    """Cross-modal retrieval between two modalities, in both directions.

    Every item of a modality is a query once, and the whole of the other modality is its gallery.
    An answer is right if its record has the query's id, so a query can have several right answers
    (five captions of an image); queries without one are left out and not counted. Answers with
    equal scores count by the mean over their random order, see `mmjax.evaluators.ranking`.

    Metrics of the direction `image_to_text`, each with that prefix and a slash:
      R@1, R@5, R@10: share of queries with a right answer among the first 1, 5, 10.
      median_rank, mean_rank: of the best right answer, from 1.
      mAP: mean over queries of the average precision.
      queries, gallery: how many; chance_R@1: the expected R@1 of random scores.
    And `unreadable`: items of the source that could not be read.

    Args:
      pairs: pairs of modalities.
      ks: the k of R@k.
      alternatives: `first` takes one value per record, `all` takes each of them.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        ks: tuple[Count, ...] = (1, 5, 10),
        alternatives: Literal["first", "all"] = "first",
    ):
        if not pairs or any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"retrieval: 'pairs' is {pairs!r}; give pairs of modalities")
        if not ks or min(ks) < 1:
            raise ValueError(f"retrieval: 'ks' is {ks!r}; give numbers from 1 up")
        self.pairs, self.ks, self.alternatives = pairs, ks, alternatives

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        names = dict.fromkeys(name for pair in self.pairs for name in pair)
        embedded = embed(model, data, names, self.alternatives)
        metrics = {"unreadable": float(sum(len(e.unreadable) for e in embedded.values()))}
        for pair in self.pairs:
            for query, answer in (pair, pair[::-1]):
                part = self.direction(embedded[query], embedded[answer])
                metrics |= {f"{query}_to_{answer}/{name}": value for name, value in part.items()}
        return metrics

    def direction(self, queries: Any, answers: Any) -> dict[str, float]:
        """Metrics of one direction.

        Args:
          queries, answers: `Embedded`, or anything with `modality`, `unit` f32[N,D] and
            `ids` i64[N].
        """
        if queries.unit.shape[1] != answers.unit.shape[1]:
            raise EvaluationError(
                f"{queries.modality!r} has embeddings of {queries.unit.shape[1]} numbers and "
                f"{answers.modality!r} of {answers.unit.shape[1]}; retrieval needs equal sizes"
            )
        ranks = ranking.rank(queries.unit, answers.unit, queries.ids, answers.ids)
        best = ranking.best(ranks)
        rank = ranking.expected_rank(best)
        return {f"R@{k}": float(ranking.hit(best, k).mean()) for k in self.ks} | {
            "median_rank": float(np.median(rank)),
            "mean_rank": float(rank.mean()),
            "mAP": float(ranking.average_precision(ranks).mean()),
            "queries": float(len(rank)),
            "gallery": float(ranks.gallery),
            "chance_R@1": float((best.right / ranks.gallery).mean()),
        }

"""Cross-lingual rank consistency."""

from typing import Any

import numpy as np

from mmjax.evaluators import ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError


class Consistency(Evaluator):
    """Rank consistency: how much the rank of an item differs between K languages.

    For N records that have an anchor and all K others, let r_ik be the rank, from 1, of the right
    anchor for the k-th other of record i (`to_anchor`), or of the right other of kind k for the
    anchor (`from_anchor`). Nie et al. 2024 (arXiv 2406.18254): the mean rank variance, which their
    code computes as a standard deviation. Metrics, each under both directions:

      variance: mean_i var_k r_ik; deviation: mean_i std_k r_ik; both of the population of K.
      log_variance: mean_i var_k ln r_ik, for r is heavy-tailed.
      R@1/<other>; R@1/first, the first of the others (the pivot language); R@1/rest, the mean over
        all but the first.
      records: N.

    Args:
      anchor: a modality.
      others: at least two more, the pivot first.
    """

    def __init__(self, *, anchor: str = "image", others: tuple[str, ...]):
        if len(others) < 2 or len({anchor, *others}) != 1 + len(others):
            raise ValueError(
                f"consistency: anchor={anchor!r} and others={others!r} have to name an anchor and "
                "at least two other modalities, each once"
            )
        self.anchor, self.others = anchor, others

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        embedded = embed(model, data, (self.anchor, *self.others))
        rows = embedded[self.anchor].rows
        for name in self.others:
            rows = np.intersect1d(rows, embedded[name].rows)
        if not len(rows):
            raise EvaluationError(
                f"consistency: no record has {self.anchor!r} and all of {self.others}"
            )
        units = {
            name: part.unit[np.searchsorted(part.rows, rows)] for name, part in embedded.items()
        }
        metrics = {"records": float(len(rows))}
        number = np.arange(len(rows))

        def ranks(queries: np.ndarray, answers: np.ndarray) -> np.ndarray:
            best = ranking.best(ranking.rank(queries, answers, number, number))
            return np.stack([ranking.expected_rank(best), ranking.hit(best, 1)])

        anchor = units[self.anchor]
        for direction, found in (
            ("to_anchor", [ranks(units[name], anchor) for name in self.others]),
            ("from_anchor", [ranks(anchor, units[name]) for name in self.others]),
        ):
            rank, first = np.stack(found, axis=1)
            recall = first.mean(1)
            own = {
                "variance": rank.var(0).mean(),
                "deviation": rank.std(0).mean(),
                "log_variance": np.log(rank).var(0).mean(),
                "R@1/first": recall[0],
                "R@1/rest": recall[1:].mean(),
                **{f"R@1/{name}": value for name, value in zip(self.others, recall, strict=True)},
            }
            metrics |= {f"{direction}/{name}": float(value) for name, value in own.items()}
        return metrics

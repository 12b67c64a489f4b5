"""Metrics of ranks beside recall at k: those that an evaluator names, and those of random pools."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from mmjax.evaluators import ranking
from mmjax.evaluators.errors import EvaluationError

More = Literal["nDCG", "nDCG@k", "MRR", "P@k", "recall@k", "mAP@R", "mINP"]


def further(
    ranks: ranking.Ranks, rank: np.ndarray, ks: Sequence[int], more: Sequence[More]
) -> dict[str, float]:
    """Metrics by name, as `Retrieval` describes them.

    Args:
      ranks: of all right answers.
      rank: f64[Q], of the best of each query.
      ks: the k of those at k.
      more: which metrics.
    """
    found = {}
    if "nDCG" in more:
        found["nDCG"] = ranking.ndcg(ranks).mean()
    if "nDCG@k" in more:
        found |= {f"nDCG@{k}": ranking.ndcg(ranks, k).mean() for k in ks}
    if "MRR" in more:
        found["MRR"] = (1 / rank).mean()
    if "P@k" in more:
        found |= {f"P@{k}": ranking.precision_at(ranks, k)[0].mean() for k in ks}
    if "recall@k" in more:
        right = np.unique(ranks.query, return_counts=True)[1]
        hits = {k: ranking.precision_at(ranks, k)[0] * k for k in ks}
        found |= {f"recall@{k}": (own / right).mean() for k, own in hits.items()}
    if "mINP" in more:
        found["mINP"] = ranking.inverse_negative_penalty(ranks).mean()
    if "mAP@R" in more:
        precision, average = ranking.precision_at(ranks)
        found |= {"R-precision": precision.mean(), "mAP@R": average.mean()}
    return {name: float(value) for name, value in found.items()}


def among(
    best: ranking.BestAnswer, gallery: np.ndarray, ks: Sequence[int], pool: int | None
) -> dict[str, float]:
    """R@k of each query's right answer among so many random answers; none without a pool.

    Args:
      best: answers of the queries, which have one each.
      gallery: i64[Q], numbers of answers.
      ks: the k of R@k.
      pool: how many answers, the right one included.

    Raises:
      EvaluationError: for a query with several right answers, or with fewer answers than a pool.
    """
    if pool is None:
        return {}
    if (best.right > 1).any() or (gallery < pool).any():
        raise EvaluationError(
            f"retrieval: pool={pool} needs one right answer of each query, not up to "
            f"{best.right.max()}, and as many answers, but there are {gallery.min()}"
        )
    return {
        f"R@{k}[pool={pool}]": float(ranking.hit_among(best, k, pool, gallery).mean()) for k in ks
    }

"""Semantic textual similarity: cosines of pairs of texts against ratings of their likeness."""

from collections import Counter
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import CountOrZero


class Sts(Evaluator):
    """Semantic textual similarity (STS): how well the cosine of two texts follows a rating of them.

    A record has two texts and a number, such as how alike people find them (Agirre et al. 2012,
    SemEval-2012 task 6; STS Benchmark: Cer et al. 2017, arXiv 1708.00055). The two may be of any
    modalities with towers of one size.

    Metrics: `pearson` and `spearman` correlation of the cosine with the rating, `examples`; and
    with `ngrams` the same of the cosine of counts of so many characters in a row, the simple method
    that knows spellings only: `ngrams_pearson` and `ngrams_spearman`.

    Args:
      first, second: the two views, such as `text` and `text@2`.
      rating: the field of records that holds the number.
      ngrams: characters in a row, of views that are texts; 0 leaves that out.
      layer: of the towers, as `Embedder.embed` names them.
    """

    least_records = 3

    def __init__(
        self,
        *,
        first: ViewRef = "text",
        second: ViewRef = "text@2",
        rating: LabelRef = "score",
        ngrams: CountOrZero = 0,
        layer: str = "unit",
    ):
        self.views, self.rating, self.ngrams, self.layer = (first, second), rating, ngrams, layer

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = [embed(model, data, (v,), layer=self.layer)[v] for v in self.views]
        _, a, b = np.intersect1d(found[0].rows, found[1].rows, return_indices=True)
        if len(a) < self.least_records:
            raise EvaluationError(f"sts: {len(a)} records have both of {self.views}; 3 are needed")
        x, y = (own.unit[at].astype(np.float64) for own, at in zip(found, (a, b), strict=True))
        if x.shape != y.shape:
            raise EvaluationError(
                f"sts: {self.views[0]!r} has embeddings of {x.shape[1]} numbers and "
                f"{self.views[1]!r} of {y.shape[1]}; give both towers heads of one size"
            )
        try:
            rating = np.array([float(found[0].fields[i][self.rating]) for i in a])
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"sts: the field {self.rating!r} is not one number in every record"
            ) from error
        metrics = correlations((x * y).sum(1), rating)
        if self.ngrams:
            texts = zip(map(found[0].raw, a), map(found[1].raw, b), strict=True)
            cosines = np.array([ngram_cosine(*both, self.ngrams) for both in texts])
            metrics |= {f"ngrams_{k}": v for k, v in correlations(cosines, rating).items()}
        return metrics | {"examples": float(len(a))}


def correlations(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Pearson's and Spearman's correlation of f64[N] with f64[N]; 0 where one is constant."""
    from scipy import stats  # half a second, which no other evaluator should cost

    x = np.round(x, 6)  # embeddings are float32, whose rounding would order equal cosines
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"pearson": 0.0, "spearman": 0.0}
    return {
        "pearson": float(np.corrcoef(x, y)[0, 1]),
        "spearman": float(stats.spearmanr(x, y).statistic),
    }


def ngram_cosine(a: str, b: str, n: int) -> float:
    """Cosine of the counts of n characters in a row, of shorter texts of the whole text."""
    x, y = (Counter(t[i : i + n] for i in range(max(len(t) - n + 1, 1))) for t in (a, b))
    product = sum(count * y[run] for run, count in x.items())
    lengths = [sum(count**2 for count in own.values()) for own in (x, y)]
    cosine: float = product / np.sqrt(lengths[0] * lengths[1])
    return cosine

"""Similarity structure: of a modality with that of another one, or of shared concepts."""

from typing import Any, Literal

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.local_cka import linear_cka
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count

Measure = Literal["correlation", "cka", "knn"]


class Structure(Evaluator):
    """How alike two representations of the same rows are, whatever their axes.

    Metrics, by `measures`, and `examples`:
      correlation: `pearson` and `spearman` correlation, over the pairs i < j, of x_i·x_j with
        r_i·r_j. Products are rounded to six digits: embeddings are float32, whose rounding would
        give ranks to pairs that are equal.
      cka: `cka`, linear CKA (Kornblith et al. 2019, `local_cka.linear_cka`), of all rows.
      knn: `mutual_knn`, mean share of the k nearest rows, by cosine, that a row has in common in
        both (Huh et al. 2024, "The Platonic Representation Hypothesis", arXiv 2405.07987).

    Correlation and neighbours need all pairs at once, so their rows are at most `examples`, the
    first ones: a sample by design.

    Args:
      modality: whose embeddings are x.
      reference: another modality, whose embeddings are r; or a field of the records that holds a
        vector, such as a 1 for each concept, and r·r then counts those that are shared.
      examples: rows, at most.
      measures: which.
      k: of the nearest rows.
      layer: of the towers, as `Embedder.embed` names them.
    """

    def __init__(
        self,
        *,
        modality: ViewRef = "image",
        reference: LabelRef = "text",
        examples: Count = 500,
        measures: tuple[Measure, ...] = ("correlation",),
        k: Count = 10,
        layer: str = "unit",
    ):
        if examples < 3:
            raise ValueError(f"structure: examples={examples} must be at least 3")
        if not measures:
            raise ValueError("structure: 'measures' names none")
        self.modality, self.reference, self.examples = modality, reference, examples
        self.measures, self.k, self.layer = measures, k, layer

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        if self.reference in data.names:
            other = embed(model, data, (self.reference,), layer=self.layer)[self.reference]
            _, a, b = np.intersect1d(found.rows, other.rows, return_indices=True)
            x, r = found.unit[a], other.unit[b]
        else:
            if self.reference not in found.fields[0]:
                raise EvaluationError(
                    f"structure: {self.reference!r} is neither a modality nor a field of the "
                    f"records, which have {', '.join(sorted(found.fields[0]))}"
                )
            x = found.unit
            try:
                r = np.array([own[self.reference] for own in found.fields], np.float64)
            except (ValueError, TypeError, KeyError) as error:
                raise EvaluationError(
                    f"structure: {self.reference!r} is not a vector of one length in every record"
                ) from error
        metrics = {"cka": linear_cka(x, r)} if "cka" in self.measures else {}
        x, r = (v[: self.examples].astype(np.float64) for v in (x, r))
        if "correlation" in self.measures:
            upper = np.triu_indices(len(x), 1)
            ours, theirs = (np.round((v @ v.T)[upper], 6) for v in (x, r))
            metrics["pearson"] = float(np.corrcoef(ours, theirs)[0, 1])
            from scipy import stats  # half a second, which no other evaluator should cost

            metrics["spearman"] = float(stats.spearmanr(ours, theirs).statistic)
        if "knn" in self.measures:
            metrics["mutual_knn"] = mutual_knn(x, r, self.k)
        return metrics | {"examples": float(len(x))}


def mutual_knn(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """Mean share of the k nearest rows, by cosine, that a row has in both f[N, A] and f[N, B]."""
    near = []
    for v in (x, y):
        v = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
        scores = v @ v.T
        np.fill_diagonal(scores, -np.inf)
        chosen = np.argpartition(-scores, min(k, len(v) - 1) - 1, axis=1)[:, :k]
        near.append(np.zeros(scores.shape, bool))
        np.put_along_axis(near[-1], chosen, True, axis=1)
    return float((near[0] & near[1]).sum(1).mean() / min(k, len(x) - 1))

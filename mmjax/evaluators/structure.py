"""Similarity structure: of a modality with that of another one, or of shared concepts."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.local_cka import linear_cka
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count

Measure = Literal["correlation", "cka", "knn", "nearest"]


class Structure(Evaluator):
    """How alike two representations of the same rows are, whatever their axes.

    Metrics, by `measures`, and `examples`:
      correlation: `pearson` and `spearman` correlation, over the pairs i < j, of x_i·x_j with
        r_i·r_j. Products are rounded to six digits: embeddings are float32, whose rounding would
        give ranks to pairs that are equal.
      cka: `cka`, linear CKA (Kornblith et al. 2019, `local_cka.linear_cka`), of all rows.
      knn: `mutual_knn`, mean share of the k nearest rows, by cosine, that a row has in common in
        both (Huh et al. 2024, "The Platonic Representation Hypothesis", arXiv 2405.07987).
      nearest: `nearest`, mean r_i·r_n of the row n that is nearest to i by x_i·x_n, the first of
        equally near ones; and `chance_nearest`, the mean over all pairs.

    With `sets`, the mean over these of the Jaccard index of two rows' sets, |A ∩ B| / |A ∪ B|, 0
    where both are empty, takes the place of r_i·r_j, in `correlation` and `nearest` alone (He et
    al. 2022, arXiv 2209.06638, SPACE-2).

    Correlation and neighbours need all pairs at once, so their rows are at most `examples`, the
    first ones: a sample by design.

    Args:
      modality: whose embeddings are x.
      reference: another modality, whose embeddings are r; or a field of the records that holds a
        vector, such as a 1 for each concept, and r·r then counts those that are shared. Not read
        where there are `sets`.
      sets: fields of the records, each a vector of 0 and 1.
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
        sets: tuple[LabelRef, ...] = (),
        examples: Count = 500,
        measures: tuple[Measure, ...] = ("correlation",),
        k: Count = 10,
        layer: str = "unit",
    ):
        if examples < 3:
            raise ValueError(f"structure: examples={examples} must be at least 3")
        if not measures:
            raise ValueError("structure: 'measures' names none")
        if sets and {"cka", "knn"} & {*measures}:
            raise ValueError(f"structure: measures={measures!r} needs a reference, not 'sets'")
        self.modality, self.reference, self.examples = modality, reference, examples
        self.sets = tuple(sets)
        self.measures, self.k, self.layer = measures, k, layer

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """With sets, no reference."""
        return {k: v for k, v in options.items() if k != "reference" or not options["sets"]}

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        x = found.unit
        if self.sets:
            held = found.fields[: self.examples]
            indices = [jaccard(_vectors(held, name)) for name in self.sets]
            theirs: np.ndarray = np.mean(indices, axis=0)
            metrics: dict[str, float] = {}
        else:
            x, r = self._both(model, data, found)
            metrics = {"cka": linear_cka(x, r)} if "cka" in self.measures else {}
            r = r[: self.examples].astype(np.float64)
            theirs = r @ r.T
        x = x[: self.examples].astype(np.float64)
        ours, upper = np.round(x @ x.T, 6), np.triu_indices(len(x), 1)
        if "correlation" in self.measures:
            pairs = ours[upper], np.round(theirs[upper], 6)
            metrics["pearson"] = float(np.corrcoef(*pairs)[0, 1])
            from scipy import stats  # half a second, which no other evaluator should cost

            metrics["spearman"] = float(stats.spearmanr(*pairs).statistic)
        if "knn" in self.measures:
            metrics["mutual_knn"] = mutual_knn(x, r, self.k)
        if "nearest" in self.measures:
            np.fill_diagonal(ours, -np.inf)
            metrics["nearest"] = float(theirs[np.arange(len(x)), ours.argmax(1)].mean())
            metrics["chance_nearest"] = float(theirs[upper].mean())
        return metrics | {"examples": float(len(x))}

    def _both(self, model: Model, data: EvalData, found: Embedded) -> tuple[np.ndarray, np.ndarray]:
        """x f32[N, A] and r f[N, B] of the rows that have both."""
        if self.reference in data.names:
            other = embed(model, data, (self.reference,), layer=self.layer)[self.reference]
            _, a, b = np.intersect1d(found.rows, other.rows, return_indices=True)
            return found.unit[a], other.unit[b]
        if self.reference not in found.fields[0]:
            raise EvaluationError(
                f"structure: {self.reference!r} is neither a modality nor a field of the "
                f"records, which have {', '.join(sorted(found.fields[0]))}"
            )
        return found.unit, _vectors(found.fields, self.reference)


def _vectors(records: Sequence[Mapping[str, Any]], field: str) -> np.ndarray:
    """f64[N, K] of a field of records."""
    try:
        r = np.array([own[field] for own in records], np.float64)
        if r.ndim != 2:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise EvaluationError(
            f"structure: {field!r} is not a vector of one length in every record"
        ) from error
    return r


def jaccard(sets: np.ndarray) -> np.ndarray:
    """|A ∩ B| / |A ∪ B| f64[N, N] of every two rows f[N, K] of 0 and 1; 0 of empty sets."""
    both = sets @ sets.T
    either = sets.sum(1)[:, None] + sets.sum(1) - both
    index: np.ndarray = both / np.maximum(either, 1)
    return index


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

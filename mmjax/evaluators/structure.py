"""Similarity structure: correlation with that of another modality or of shared concepts."""

from typing import Any

import numpy as np
from scipy import stats

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class Structure(Evaluator):
    """Correlation of the cosines of all pairs of rows with those of a reference.

    Metrics: `pearson` and `spearman` correlation, over the pairs i < j, of x_i·x_j with r_i·r_j,
    and `examples`. Products are rounded to six digits: embeddings are float32, whose rounding would
    give ranks to pairs that are equal. Rank correlation needs all pairs at once, so the rows are at
    most `examples`, the first ones: a sample by design.

    Args:
      modality: whose embeddings are x.
      reference: another modality, whose embeddings are r; or a field of the records that holds a
        vector, such as a 1 for each concept, and r·r then counts those that are shared.
      examples: rows, at most.
    """

    def __init__(
        self, *, modality: ViewRef = "image", reference: LabelRef = "text", examples: Count = 500
    ):
        if examples < 3:
            raise ValueError(f"structure: examples={examples} must be at least 3")
        self.modality, self.reference, self.examples = modality, reference, examples

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,))[self.modality]
        if self.reference in data.names:
            other = embed(model, data, (self.reference,))[self.reference]
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
        x, r = (v[: self.examples].astype(np.float64) for v in (x, r))
        upper = np.triu_indices(len(x), 1)
        ours, theirs = (np.round((v @ v.T)[upper], 6) for v in (x, r))
        return {
            "pearson": float(np.corrcoef(ours, theirs)[0, 1]),
            "spearman": float(stats.spearmanr(ours, theirs).statistic),
            "examples": float(len(x)),
        }

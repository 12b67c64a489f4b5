"""Effective rank and spectrum of the embeddings of a modality."""

from typing import Any, Literal, cast

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.geometry import uniformity
from mmjax.schema.bounds import Positive


class Spectrum(Evaluator):
    """Effective rank, spectrum and uniformity of the embeddings of one modality.

    Metrics:
      effective_rank: exp of the entropy of the singular values, divided by their sum, of the
        centred matrix of embeddings; from 1 to D (Roy and Vetterli, EUSIPCO 2007). Geometry's
        measure of that name takes the eigenvalues of the covariance, the squares of these, and is
        smaller.
      anisotropy: mean cosine of two rows, i < j; near 0 where the mean of all is 0, 1 for one
        direction (Ethayarajh 2019, arXiv 1909.00512).
      uniformity: log mean_{i<j} exp(-t |x_i - x_j|^2).
      examples: how many rows.

    With `layer='tokens'` instead, and a head that takes tokens,
      isotropy: 1 minus the mean cosine of two tokens of one example: 0 where all of its tokens
        point the same way (Su and Xu 2023, arXiv 2210.14140). The mean is over all pairs of all
        examples, of which long ones have more.

    Args:
      modality: whose embeddings.
      t: of the uniformity.
      layer: `unit` embeddings, or the `tokens` of each example.
    """

    def __init__(
        self,
        *,
        modality: str = "image",
        t: Positive = 2.0,
        layer: Literal["unit", "tokens"] = "unit",
    ):
        self.modality, self.t, self.layer = modality, t, layer

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        unit = embed(model, data, (self.modality,), layer=self.layer)[self.modality].unit
        if self.layer == "tokens":
            tokens = unit.reshape(len(unit), -1, cast(Any, model).dim(self.modality))
            return {"isotropy": isotropy(tokens), "examples": float(len(unit))}
        return {
            "effective_rank": effective_rank(unit),
            "anisotropy": anisotropy(unit),
            "uniformity": uniformity(unit, unit, self.t),
            "examples": float(len(unit)),
        }


def anisotropy(unit: np.ndarray) -> float:
    """Mean of x_i·x_j over i < j of unit rows f32[N, D], N >= 2, from their sum."""
    count, total = len(unit), unit.sum(axis=0, dtype=np.float64)
    squares = float((unit.astype(np.float64) ** 2).sum())
    return float((total @ total - squares) / (count * (count - 1)))


def isotropy(tokens: np.ndarray) -> float:
    """1 - mean of x_i·x_j over i != j of unit tokens f32[N, T, D] of one row; 0 is padding."""
    count = (tokens != 0).any(-1).sum(1, dtype=np.float64)
    total = (tokens.sum(1, dtype=np.float64) ** 2).sum()
    pairs = (count * (count - 1)).sum()
    if not pairs:
        raise EvaluationError("spectrum: no example has two tokens to compare")
    squares = (tokens.astype(np.float64) ** 2).sum()
    return float(1 - (total - squares) / pairs)


def effective_rank(x: np.ndarray) -> float:
    """exp of the entropy of the singular values of the centred f32[N, D]; of equal rows, 1."""
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    # Of the D x D matrix, so that N may be large.
    values = np.sqrt(np.linalg.eigvalsh(centred.T @ centred).clip(0))
    if values.sum() <= 1e-9:
        return 1.0
    p = values[values > 0] / values.sum()
    return float(np.exp(-(p * np.log(p)).sum()))

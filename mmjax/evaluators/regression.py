"""Ridge regression of numbers of the records, such as attributes, from frozen features."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.input_statistics import Features
from mmjax.evaluators.linear_solvers import fit, standardizer
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import NonNegativeInt, Repeats


class Regression(Evaluator):
    """How well numbers that a record has can be read from its features by ridge regression.

    Probing word vectors for human feature norms, in Zhang et al. 2021 (arXiv 2111.07180, VG-BERT).
    Features are standardized and targets centred on the fitted rows; the penalty is chosen there,
    as `linear_solvers.fit` says of `ridge`. Metrics: `R2`, 1 - Σ|y - ŷ|² / Σ|y - ȳ|², over all rows
    and numbers, where ȳ is the mean of the fitted rows: below 0 where the features only mislead;
    `numbers` of a record; and `examples`.

    With the further source `train` it is fitted there. Without, rows are split at random into
    folds, each of which is predicted from the others.

    Args:
      target: field of the records, a number or an array of them.
      modality: whose features.
      layer: as of `Embedder.embed`.
      folds: without `train`.
      seed: of the folds.
    """

    optional = ("train",)
    least_records = 4

    def __init__(
        self,
        *,
        target: LabelRef,
        modality: ViewRef = "text",
        layer: str = "unit",
        folds: Repeats = 5,
        seed: NonNegativeInt = 0,
    ):
        if folds < 2:
            raise ValueError(f"regression: folds={folds} should be at least 2")
        self.target, self.modality, self.layer = target, modality, layer
        self.folds, self.seed = folds, seed

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        x, y = self._rows(embed(model, data, (self.modality,), layer=self.layer)[self.modality])
        if train is not None:
            told = embed(model, train, (self.modality,), layer=self.layer)[self.modality]
            errors = self._errors(*self._rows(told), x, y)
        else:
            if len(x) < 2 * self.folds:
                raise EvaluationError(
                    f"regression: {len(x)} records are too few for {self.folds} folds"
                )
            fold = np.random.default_rng(self.seed).permutation(len(x)) % self.folds
            parts = [self._errors(x[fold != k], y[fold != k], x[fold == k], y[fold == k])
                     for k in range(self.folds)]  # fmt: skip
            errors = np.sum(parts, axis=0)
        if not errors[1] > 0:
            raise EvaluationError(f"regression: {self.target!r} is the same in all records")
        sizes = {"numbers": float(y.shape[1]), "examples": float(len(x))}
        return {"R2": float(1 - errors[0] / errors[1]), **sizes}

    def _errors(
        self, x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray
    ) -> np.ndarray:
        """Sums of squares f64[2], of what is left and of what there is to explain."""
        scaled = standardizer(Features(x, np.zeros(x.shape[1], bool)), "ridge")
        mean = y.mean(0)
        found = fit("ridge", scaled(x), y - mean, np.random.default_rng(self.seed))
        assert found.query is not None
        left = truth - mean - scaled(test) @ found.query
        return np.array([(left**2).sum(), ((truth - mean) ** 2).sum()])

    def _rows(self, found: Embedded) -> tuple[np.ndarray, np.ndarray]:
        """Features f64[N, W] and targets f64[N, K]."""
        targets: list[np.ndarray] = []
        for own in found.fields:
            value = np.asarray(own.get(self.target, ()), np.float64).reshape(-1)
            if not len(value) or len(value) != len(targets[0] if targets else value):
                raise EvaluationError(
                    f"regression: {self.target!r} of {own['key']} has {len(value)} numbers; every "
                    "record needs as many, and one at least"
                )
            targets.append(value)
        return found.unit.astype(np.float64), np.stack(targets)

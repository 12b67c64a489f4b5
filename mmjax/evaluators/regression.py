"""Regression of numbers of the records, such as attributes or a forecast, from features."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.input_statistics import Features
from mmjax.evaluators.linear_solvers import fit, standardizer
from mmjax.schema.annotations import LabelRef, PredictionRef, ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, Repeats


class Predicted(NamedTuple):
    """What is said of the tested rows.

    Attributes:
      numbers: f64[N, K].
      mean: f64[N, K], what would be said without features.
    """

    numbers: np.ndarray
    mean: np.ndarray


class Regression(Evaluator):
    """How well numbers that a record has can be told from its features.

    By ridge regression of frozen features: probing word vectors for human feature norms, in Zhang
    et al. 2021 (arXiv 2111.07180, VG-BERT). Features are standardized and targets centred on the
    fitted rows; the penalty is chosen there, as `linear_solvers.fit` says of `ridge`. With the
    further source `train` it is fitted there; without, rows are split at random into folds, each of
    which is predicted from the others. Or with `term` by a term that was trained to, such as a
    forecast: nothing is fitted.

    Metrics, over all rows and numbers: `R2`, 1 - Σ|y - ŷ|² / Σ|y - ȳ|², where ȳ is the mean of the
    fitted rows, or with `term` of the tested ones: below 0 where the features only mislead; `MSE`
    and `MAE`, the means of |y - ŷ|² and |y - ŷ|; `numbers` of a record; and `examples`. With
    `baseline` also `baseline/MSE` and `baseline/MAE`. With `parts` also `share/NAME`: with c_m what
    the term makes of part m alone, less what it makes of nothing, the standard deviation of c_m
    over the rows, as a mean over the numbers and a share of the sum over parts. What a linear term
    says is the sum of these, so it is what each part contributes.

    Args:
      target: field of the records, a number or an array of them.
      modality: whose features; with `term` the view that it reads.
      layer: as of `Embedder.embed`; with `term` it is `raw`.
      term: name of an objective of type `regression` with a target; None for ridge regression.
      baseline: field with a guess of all numbers, one or as many: the last value of a series is
        that of naive repetition.
      unit: field with a number by which a record's errors are multiplied, for MSE and MAE in units
        of the data where targets are in units of each record; None for 1.
      parts: (name, size) of parts of what the term reads, in their order.
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
        term: PredictionRef | None = None,
        baseline: LabelRef | None = None,
        unit: LabelRef | None = None,
        parts: tuple[tuple[str, Count], ...] = (),
        folds: Repeats = 5,
        seed: NonNegativeInt = 0,
    ):
        if folds < 2:
            raise ValueError(f"regression: folds={folds} should be at least 2")
        if parts and term is None:
            raise ValueError(f"regression: parts={parts} are of what a term reads: name the term")
        self.target, self.modality, self.term = target, modality, term
        self.layer = layer if term is None else "raw"
        self.baseline, self.unit, self.parts = baseline, unit, parts
        self.folds, self.seed = folds, seed

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of the rows that it is fitted on no guess and no unit."""
        left = ("baseline", "unit") if source == "train" else ()
        return {name: value for name, value in options.items() if name not in left}

    def __call__(
        self, model: Any, data: EvalData, mesh: Any = None, *, train: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        tested = self._embedded(model, data)
        x, y = tested.unit.astype(np.float64), self._numbers(tested, self.target)
        shares: dict[str, float] = {}
        if self.term is not None:
            if train is not None:
                raise EvaluationError(
                    f"regression: the term {self.term!r} is trained already: leave out 'train'"
                )
            found, shares = self._by_term(model, tested.unit, y)
        elif train is not None:
            told = self._embedded(model, train)
            found = self._fitted(told.unit.astype(np.float64), self._numbers(told, self.target), x)
        else:
            found = self._by_folds(x, y)
        if found.numbers.shape != y.shape:
            raise EvaluationError(
                f"regression: {self.target!r} has {y.shape[1]} numbers, but "
                f"{found.numbers.shape[1]} are predicted"
            )
        total = float(np.square(y - found.mean).sum())
        if not total > 0:
            raise EvaluationError(f"regression: {self.target!r} is the same in all records")
        unit = 1.0 if self.unit is None else self._guess(tested, self.unit, 1)
        metrics = {
            "R2": 1 - float(np.square(y - found.numbers).sum()) / total,
            **_errors((y - found.numbers) * unit),
            "numbers": float(y.shape[1]),
            "examples": float(len(x)),
        }
        if self.baseline is not None:
            guess = self._guess(tested, self.baseline, y.shape[1])
            wrong = _errors((y - guess) * unit)
            metrics |= {f"baseline/{name}": value for name, value in wrong.items()}
        return {**metrics, **shares}

    def _by_term(
        self, model: Any, x: np.ndarray, y: np.ndarray
    ) -> tuple[Predicted, dict[str, float]]:
        """What the term says of raw embeddings f32[N, D], and what the parts of them contribute."""
        try:
            predict = model.predictor(self.term, self.modality)
        except ValueError as error:
            raise EvaluationError(f"regression: {error}") from error
        found = Predicted(predict(x).astype(np.float64), np.broadcast_to(y.mean(0), y.shape))
        if not self.parts:
            return found, {}
        ends = np.cumsum([size for _, size in self.parts])
        if ends[-1] != x.shape[1]:
            raise EvaluationError(
                f"regression: parts={self.parts} are of {ends[-1]} numbers, but {self.modality!r} "
                f"has {x.shape[1]}"
            )
        nothing, spread = predict(np.zeros_like(x)), {}
        for (name, size), end in zip(self.parts, ends, strict=True):
            alone = np.zeros_like(x)
            alone[:, end - size : end] = x[:, end - size : end]
            own = (predict(alone) - nothing).astype(np.float64)
            spread[f"share/{name}"] = float(own.std(0).mean())
        total = max(sum(spread.values()), 1e-300)
        return found, {name: value / total for name, value in spread.items()}

    def _by_folds(self, x: np.ndarray, y: np.ndarray) -> Predicted:
        """Of every row what is fitted on the other folds."""
        if len(x) < 2 * self.folds:
            raise EvaluationError(
                f"regression: {len(x)} records are too few for {self.folds} folds"
            )
        fold = np.random.default_rng(self.seed).permutation(len(x)) % self.folds
        found = Predicted(np.empty_like(y), np.empty_like(y))
        for k in range(self.folds):
            out = fold == k
            found.numbers[out], found.mean[out] = self._fitted(x[~out], y[~out], x[out])
        return found

    def _fitted(self, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> Predicted:
        """What ridge regression on rows x f64[N, W] and y f64[N, K] says of `test`."""
        scaled = standardizer(Features(x, np.zeros(x.shape[1], bool)), "ridge")
        mean = y.mean(0)
        found = fit("ridge", scaled(x), y - mean, np.random.default_rng(self.seed))
        assert found.query is not None
        said = scaled(test) @ found.query + mean
        return Predicted(said, np.broadcast_to(mean, said.shape))

    def _embedded(self, model: Model, data: EvalData) -> Embedded:
        return embed(model, data, (self.modality,), layer=self.layer)[self.modality]

    def _guess(self, found: Embedded, field: str, numbers: int) -> np.ndarray:
        """f64[N, 1] or f64[N, K] of a field."""
        values = self._numbers(found, field)
        if values.shape[1] not in (1, numbers):
            raise EvaluationError(
                f"regression: {field!r} has {values.shape[1]} numbers, and should have "
                + ("one" if numbers == 1 else f"one or {numbers}")
            )
        return values

    def _numbers(self, found: Embedded, field: str) -> np.ndarray:
        """f64[N, K] of a field."""
        values: list[np.ndarray] = []
        for own in found.fields:
            value = np.asarray(own.get(field, ()), np.float64).reshape(-1)
            if not len(value) or len(value) != len(values[0] if values else value):
                raise EvaluationError(
                    f"regression: {field!r} of {own['key']} has {len(value)} numbers; every "
                    "record needs as many, and one at least"
                )
            values.append(value)
        return np.stack(values)


def _errors(left: np.ndarray) -> dict[str, float]:
    """MSE and MAE of what is left, f64[N, K]."""
    return {"MSE": float(np.square(left).mean()), "MAE": float(np.abs(left).mean())}

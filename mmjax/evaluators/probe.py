"""Linear probe: accuracy of logistic regression on frozen features."""

from typing import Any

import numpy as np

from mmjax.evaluators import logistic
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Layer, Model, embed
from mmjax.evaluators.labels import accuracy, labels_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Factor


class Probe(Evaluator):
    """Linear probe: logistic regression on the features of one source, tested on another.

    Features are brought to mean 0 and standard deviation 1 on the rows that the probe is fitted on,
    and the regression is that of `logistic.fit_classes`: exact, so there is no learning rate to
    tune.

    Metrics: `accuracy`, `error` (1 - accuracy), `chance` (the share of the most frequent class of
    the test rows), `classes` (of the fitted rows) and `examples` (tested).

    The further source `train` is what it is fitted on.

    Args:
      labels: the field that holds the class.
      modalities: whose features are used, side by side.
      layer: `encoder`, what the encoders give to the heads; or `unit`, the embeddings.
      c: inverse strength of the L2 penalty.
    """

    further = ("train",)

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        modalities: tuple[ViewRef, ...] = ("image",),
        layer: Layer = "encoder",
        c: Factor = 1.0,
    ):
        if not modalities or not c > 0:
            raise ValueError(f"probe: modalities={modalities!r} must be named and c={c} above 0")
        self.labels, self.modalities = labels, modalities
        self.layer, self.c = layer, c

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        x, y = self._features(model, train)
        test, truth = self._features(model, data)
        mean, deviation = x.mean(0), x.std(0) + 1e-6
        classes, y = np.unique(y, return_inverse=True)
        weights, bias = logistic.fit_classes((x - mean) / deviation, y, len(classes), self.c)
        answer = classes[((test - mean) / deviation @ weights + bias).argmax(axis=1)]
        found = accuracy(answer, truth, len(classes))
        return {**found, "error": 1 - found["accuracy"]}

    def _features(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Features f64[N, sum of widths] and labels [N] of the rows that have all modalities."""
        embedded = embed(model, data, self.modalities, layer=self.layer)
        rows = embedded[self.modalities[0]].rows
        for name in self.modalities[1:]:
            rows = np.intersect1d(rows, embedded[name].rows)
        columns, labels = [], np.empty(0)
        for part in embedded.values():
            at = np.searchsorted(part.rows, rows)
            columns.append(part.unit[at].astype(np.float64))
            labels = labels_of([part.fields[i] for i in at], self.labels, "probe")
        return np.concatenate(columns, axis=1), labels

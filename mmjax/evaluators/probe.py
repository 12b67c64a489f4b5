"""A linear probe: how well a logistic regression on frozen features tells classes apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.evaluators import logistic
from mmjax.evaluators.data import EvalData, Layer, Model, embed


class Probe:
    """Logistic regression on the features of one source, tested on another.

    Features are brought to mean 0 and deviation 1 on the rows that the probe is fitted on, and the
    regression is that of `logistic.fit_classes`: exact, so there is no learning rate to tune.

    Metrics: `accuracy`, `chance` (the share of the most frequent class of the test rows),
    `classes` (of the fitted rows) and `examples` (tested).

    Args:
      train: the source to fit on, a spec as of `source`.
      labels: the field that holds the class.
      modalities: whose features are used, side by side.
      layer: `encoder`, what the encoders give to the heads; or `unit`, the embeddings.
      c: inverse strength of the L2 penalty.
    """

    def __init__(
        self,
        *,
        train: dict,
        labels: str = "label",
        modalities: tuple[str, ...] = ("image",),
        layer: Layer = "encoder",
        c: float = 1.0,
    ):
        if not modalities or not c > 0:
            raise ValueError(f"probe: modalities={modalities!r} must be named and c={c} above 0")
        self.train, self.labels, self.modalities = train, labels, modalities
        self.layer, self.c = layer, c

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        fitted = EvalData(self._source(), data.views, data.batch_size)
        x, y = self._features(model, fitted)
        test, truth = self._features(model, data)
        mean, deviation = x.mean(0), x.std(0) + 1e-6
        classes, y = np.unique(y, return_inverse=True)
        weights, bias = logistic.fit_classes((x - mean) / deviation, y, len(classes), self.c)
        answer = classes[((test - mean) / deviation @ weights + bias).argmax(axis=1)]
        _, counts = np.unique(truth, return_counts=True)
        return {
            "accuracy": float((answer == truth).mean()),
            "chance": float(counts.max() / counts.sum()),
            "classes": float(len(classes)),
            "examples": float(len(truth)),
        }

    def _source(self) -> Any:
        from mmjax import recipe as config_lib
        from mmjax.data import SOURCES

        if not isinstance(self.train, Mapping) or "type" not in self.train:
            raise ValueError("probe: 'train' is one source, with its 'type'; a mixture is not")
        return config_lib.build(SOURCES, self.train)

    def _features(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Features f64[N, sum of widths] and labels [N] of the rows that have all modalities."""
        embedded = embed(model, data, self.modalities, layer=self.layer)
        rows = None
        for part in embedded.values():
            rows = part.rows if rows is None else np.intersect1d(rows, part.rows)
        columns, labels = [], None
        for part in embedded.values():
            at = np.searchsorted(part.rows, rows)
            columns.append(part.unit[at].astype(np.float64))
            fields = [part.fields[i] for i in at]
            if any(self.labels not in own for own in fields):
                raise ValueError(
                    f"probe: some records have no label {self.labels!r}; they have "
                    f"{', '.join(sorted(fields[0]))}"
                )
            labels = np.array([own[self.labels] for own in fields])
        return np.concatenate(columns, axis=1), labels

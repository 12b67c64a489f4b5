"""k-nearest-neighbour classification."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Layer, Model, embed
from mmjax.evaluators.labels import accuracy, labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.evaluators.neighbours import Gallery
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class NearestNeighbours(Evaluator):
    """k-NN accuracy: the vote of the k nearest rows of another source, by cosine.

    Each of the k votes with its cosine; of classes with equal votes the first one wins. Wu et al.
    2018 (arXiv 1805.01978) weigh votes by exp(cosine / 0.07), which for small k is the same rank.

    Metrics: `accuracy`, `chance` (the share of the most frequent class of the test rows), `classes`
    (of the source of neighbours) and `examples` (tested).

    The further source `train` has the neighbours.

    Args:
      labels: the field that holds the class.
      modality: whose features.
      layer: `unit`, the embeddings; or `encoder`, what the encoder gives to the head.
      k: number of neighbours.
    """

    further = ("train",)

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        layer: Layer = "unit",
        k: Count = 10,
    ):
        if k < 1:
            raise ValueError(f"knn: k={k} has to be at least 1")
        self.labels, self.modality = labels, modality
        self.layer, self.k = layer, k

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        x, y = self._features(model, train)
        test, truth = self._features(model, data)
        classes, y = np.unique(y, return_inverse=True)
        answer = classes[vote(x, y, test, len(classes), self.k)]
        return accuracy(answer, truth, len(classes))

    def _features(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Unit features f32[N, D] and labels [N]."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        labels = labels_of(found.fields, self.labels, "knn")
        return unit(found.unit), labels


def vote(x: np.ndarray, y: np.ndarray, test: np.ndarray, classes: int, k: int) -> np.ndarray:
    """The class i64[M] that the k nearest unit rows of x f32[N, D], of classes y, give to each."""
    cosines, near = Gallery(x).nearest(test, k)
    votes = np.zeros((len(test), classes))
    np.add.at(votes, (np.arange(len(test))[:, None], y[near]), cosines)
    winner: np.ndarray = votes.argmax(1)
    return winner

"""Clustering: k-means of embeddings against classes."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, Repeats

MOST = 2000  # rows of the silhouette, whose distances are all pairs


class Clusters(Evaluator):
    """How well k-means on unit features finds classes that it was not told.

    Metrics: `ARI`, the adjusted Rand index (Hubert and Arabie 1985); `NMI`, normalized mutual
    information; `accuracy` after the best one-to-one assignment of clusters to classes (Hungarian
    algorithm); `silhouette` of the clusters and `class_silhouette` of the classes, by cosine
    distance, of the first 2,000 rows (Rousseeuw 1987); `clusters`, `classes` and `examples`. By
    scikit-learn.

    Args:
      labels: the field that holds the class.
      modality: whose features.
      layer: of the towers, as `Embedder.embed` names them.
      clusters: their number; None takes that of the classes.
      restarts: of k-means, of which the best is kept.
      seed: of its starts.
    """

    least_records = 3

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        layer: str = "unit",
        clusters: Count | None = None,
        restarts: Repeats = 10,
        seed: NonNegativeInt = 0,
    ):
        self.labels, self.modality, self.layer = labels, modality, layer
        self.clusters, self.restarts, self.seed = clusters, restarts, seed

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        from sklearn.cluster import KMeans  # here to start faster

        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        names, truth = np.unique(
            labels_of(found.fields, self.labels, "clusters"), return_inverse=True
        )
        count = len(names) if self.clusters is None else self.clusters
        if not 2 <= count < len(found):
            raise EvaluationError(
                f"clusters: {count} clusters of {len(found)} rows; from 2 to one less than the "
                "rows are possible"
            )
        x = unit(found.unit.astype(np.float64))
        means = KMeans(count, n_init=self.restarts, random_state=self.seed)
        return measure(x, means.fit_predict(x), truth)


def measure(x: np.ndarray, answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Metrics of clusters i64[N] of rows f64[N, D] against classes i64[N]."""
    from sklearn import metrics  # here to start faster

    found = {
        "ARI": metrics.adjusted_rand_score(truth, answer),
        "NMI": metrics.normalized_mutual_info_score(truth, answer),
        "accuracy": assigned(answer, truth),
        "clusters": len(np.unique(answer)),
        "classes": len(np.unique(truth)),
        "examples": len(truth),
    }
    for name, of in (("silhouette", answer), ("class_silhouette", truth)):
        if 2 <= len(np.unique(of[:MOST])) < len(of[:MOST]):
            found[name] = metrics.silhouette_score(x[:MOST], of[:MOST], metric="cosine")
    return {name: float(value) for name, value in found.items()}


def assigned(answer: np.ndarray, truth: np.ndarray) -> float:
    """Share of rows in a cluster [N] that the best assignment gives to their class [N].

    One cluster goes to one class, so what is beyond the number of classes counts as wrong.
    """
    from scipy.optimize import linear_sum_assignment  # here to start faster

    clusters, rows = np.unique(answer, return_inverse=True)
    classes, columns = np.unique(truth, return_inverse=True)
    counts = np.zeros((len(clusters), len(classes)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(truth))

"""Clustering: k-means, or single linkage, of embeddings against classes."""

from typing import Any, Literal

import numpy as np

from mmjax.evaluators import linkage
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, Repeats

MOST = 2000  # rows of the silhouette, whose distances are all pairs


class Clusters(Evaluator):
    """How well k-means, or single linkage, on unit features finds classes that it was not told.

    Metrics: `ARI`, the adjusted Rand index (Hubert and Arabie 1985); `NMI`, normalized mutual
    information; `accuracy` after the best one-to-one assignment of clusters to classes (Hungarian
    algorithm); `silhouette` of the clusters and `class_silhouette` of the classes, by cosine
    distance, of the first 2,000 rows (Rousseeuw 1987); `clusters`, `classes` and `examples`. By
    scikit-learn.

    With `method='linkage'` the number of clusters is not told either: rows whose cosine distance is
    at most a threshold are in one cluster, and so are those that a chain of such rows joins (record
    linkage, as in Arora et al. 2023, CLIPPINGS, arXiv 2304.03464). The threshold is that of .01,
    .02, ..., .99 with the best ARI on the source `val`, whose classes may be others. Metrics:
    `threshold`, too. It takes O(N² D) operations.

    Args:
      labels: the field that holds the class.
      modality: whose features.
      layer: of the towers, as `Embedder.embed` names them.
      method: `kmeans` or `linkage`.
      clusters: their number, of k-means; None takes that of the classes.
      restarts: of k-means, of which the best is kept.
      seed: of its starts.
    """

    least_records = 3
    optional = ("val",)

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        layer: str = "unit",
        method: Literal["kmeans", "linkage"] = "kmeans",
        clusters: Count | None = None,
        restarts: Repeats = 10,
        seed: NonNegativeInt = 0,
    ):
        self.labels, self.modality, self.layer, self.method = labels, modality, layer, method
        self.clusters, self.restarts, self.seed = clusters, restarts, seed

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, val: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        from sklearn.cluster import KMeans  # here to start faster

        x, truth = self._rows(model, data)
        if self.method == "linkage":
            if val is None:
                raise EvaluationError(
                    "clusters: method='linkage' needs a source 'val', to choose the threshold by"
                )
            threshold = linkage.best_threshold(*self._rows(model, val))
            answer = linkage.spanning_tree(x).components(threshold)
            return measure(x, answer, truth) | {"threshold": threshold}
        count = len(np.unique(truth)) if self.clusters is None else self.clusters
        if not 2 <= count < len(x):
            raise EvaluationError(
                f"clusters: {count} clusters of {len(x)} rows; from 2 to one less than the "
                "rows are possible"
            )
        means = KMeans(count, n_init=self.restarts, random_state=self.seed)
        return measure(x, means.fit_predict(x), truth)

    def _rows(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Unit features f64[N, D] of a source and its classes i64[N]."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        labels = labels_of(found.fields, self.labels, "clusters")
        return unit(found.unit.astype(np.float64)), np.unique(labels, return_inverse=True)[1]


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

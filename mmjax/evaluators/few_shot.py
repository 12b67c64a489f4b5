"""Few-shot classification by class prototypes."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Layer, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, Repeats


class FewShot(Evaluator):
    """Few-shot accuracy of the nearest prototype, the mean of some unit features of a class.

    Metrics for each n, of all rows that are not of the support, means over draws of the support:
    `<n>_shot`, the accuracy; `<n>_shot_f1`, the mean F1 score of the classes; `<n>_shot_ndcg@10`,
    how high the prototype of a class ranks the rows of the class, mean over classes. A class takes
    part with max(2n, n + 5) rows or more, and `<n>_shot_classes` of them do. `intra` and `inter`,
    mean cosine of two rows of one class and of two classes (mean over the classes of two rows or
    more and over pairs of these), and their difference `delta`. The protocol is that of Burdisso et
    al. 2024 (arXiv 2410.18481), but for the released code's NDCG, which is another number.

    Args:
      modality: whose features.
      labels: the field that holds the class.
      shots: sizes of the support of each class.
      draws: how often a support is drawn.
      layer: `encoder`, with features made unit vectors; or `unit`, the embeddings.
      seed: of the draws.
    """

    def __init__(
        self,
        *,
        modality: ViewRef = "text",
        labels: LabelRef = "label",
        shots: tuple[Count, ...] = (1, 5),
        draws: Repeats = 10,
        layer: Layer = "encoder",
        seed: NonNegativeInt = 0,
    ):
        if not shots or min(shots) < 1 or draws < 1:
            raise ValueError(f"few_shot: shots={shots!r} and draws={draws} must be from 1 up")
        self.modality, self.labels, self.shots = modality, labels, shots
        self.draws, self.layer, self.seed = draws, layer, seed

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        return self.measure(found.unit, labels_of(found.fields, self.labels, "few_shot"))

    def measure(self, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The metrics of features f32[N, D] and labels [N]."""
        unit = _unit(features.astype(np.float64))
        rng = np.random.default_rng(self.seed)
        metrics = {}
        for shots in self.shots:
            needed = max(2 * shots, shots + 5)
            x, y, classes = _classes_of(needed, unit, labels)
            if classes < 2:
                raise EvaluationError(
                    f"few_shot: fewer than two classes have {needed} rows or more"
                )
            scores = [_draw(x, y, classes, shots, rng) for _ in range(self.draws)]
            for name in scores[0]:
                metrics[f"{shots}_shot{name}"] = float(np.mean([own[name] for own in scores]))
            metrics[f"{shots}_shot_classes"] = float(classes)
        x, y, classes = _classes_of(2, unit, labels)
        # Means of all cosines follow from the classes' mean vectors: no N x N matrix.
        count = np.bincount(y)
        means = _means(x, y, classes)
        between = means @ means.T
        own = np.diag(between)
        intra = ((own * count**2 - count) / (count * (count - 1))).mean()  # without i = j
        inter = between[~np.eye(classes, dtype=bool)].mean()
        return metrics | {
            "intra": float(intra),
            "inter": float(inter),
            "delta": float(intra - inter),
        }


def _classes_of(rows: int, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The rows of all classes that have so many: x, the number of the class, how many classes."""
    names, counts = np.unique(labels, return_counts=True)
    names = names[counts >= rows]
    kept = np.isin(labels, names)
    return x[kept], np.searchsorted(names, labels[kept]), len(names)


def _draw(
    x: np.ndarray, y: np.ndarray, classes: int, shots: int, rng: np.random.Generator
) -> dict[str, float]:
    """Accuracy, F1 and NDCG@10 with the prototypes of one support."""
    members = [np.flatnonzero(y == c) for c in range(classes)]
    support = np.concatenate([rng.choice(own, shots, replace=False) for own in members])
    prototypes = _unit(_means(x[support], y[support], classes))
    query = np.setdiff1d(np.arange(len(x)), support)
    truth, scores = y[query], x[query] @ prototypes.T
    answer = scores.argmax(1)
    right, true, given = (
        np.bincount(rows, minlength=classes) for rows in (truth[answer == truth], truth, answer)
    )
    gain = 1 / np.log2(np.arange(2, 12))
    top = truth[np.argsort(-scores, axis=0, kind="stable")[:10]] == np.arange(classes)
    ideal = np.cumsum(gain)[np.minimum(true, 10) - 1]
    return {
        "": (answer == truth).mean(),
        "_f1": (2 * right / (true + given)).mean(),
        "_ndcg@10": (gain[: len(top)] @ top / ideal).mean(),
    }


def _unit(x: np.ndarray) -> np.ndarray:
    unit: np.ndarray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return unit


def _means(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    total = np.zeros((classes, x.shape[1]))
    np.add.at(total, y, x)
    return total / np.bincount(y, minlength=classes)[:, None]

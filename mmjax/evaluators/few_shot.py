"""Few-shot classification by class prototypes."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Layer, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegative, NonNegativeInt, Positive, Repeats


class FewShot(Evaluator):
    """Few-shot accuracy of the nearest prototype, the mean of some unit features of a class.

    Metrics for each n, of all rows that are not of the support, means over draws of the support:
    `<n>_shot`, the accuracy; `<n>_shot_f1`, the mean F1 score of the classes; `<n>_shot_ndcg@10`,
    how high the prototype of a class ranks the rows of the class, mean over classes. A class takes
    part with max(2n, n + 5) rows or more, and `<n>_shot_classes` of them do. `intra` and `inter`,
    mean cosine of two rows of one class and of two classes (mean over the classes of two rows or
    more and over pairs of these), and their difference `delta`. The protocol is that of Burdisso et
    al. 2024 (arXiv 2410.18481), but for the released code's NDCG, which is another number.

    With `text` a row has a text, too, in the same space. Then `<n>_shot_text` is the accuracy of
    the mean t_c of the support's texts of a class, and `<n>_shot_fused` that of both, which is the
    largest

        a softmax_c(x·t_c / τ) + b softmax_c(x·p_c),

    p_c the prototypes: a classifier in the space of one modality beside that of the other. The rule
    is that of MG-CLIP (Mind the Gap, ICCV 2025), with (a, b) = (1, 4) since cosines without a
    temperature are flat; its classifier is trained from these prototypes on.

    Args:
      modality: whose features.
      labels: the field that holds the class.
      shots: sizes of the support of each class.
      draws: how often a support is drawn.
      layer: `encoder`, with features made unit vectors; or `unit`, the embeddings.
      seed: of the draws.
      text: the other modality, or None. Rows that lack it are left out.
      weights: (a, b).
      temperature: τ.
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
        text: ViewRef | None = None,
        weights: tuple[NonNegative, NonNegative] = (1.0, 4.0),
        temperature: Positive = 0.07,
    ):
        if not shots or min(shots) < 1 or draws < 1:
            raise ValueError(f"few_shot: shots={shots!r} and draws={draws} must be from 1 up")
        if text == modality:
            raise ValueError(f"few_shot: text={text!r} is the modality itself")
        self.text, self.weights, self.temperature = text, weights, temperature
        self.modality, self.labels, self.shots = modality, labels, shots
        self.draws, self.layer, self.seed = draws, layer, seed

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        if self.text is None:
            found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
            return self.measure(found.unit, labels_of(found.fields, self.labels, "few_shot"))
        both = embed(model, data, (self.modality, self.text), layer=self.layer)
        found, texts = both[self.modality], both[self.text]
        _, own, other = np.intersect1d(found.rows, texts.rows, return_indices=True)
        if not len(own) or found.unit.shape[1] != texts.unit.shape[1]:
            raise EvaluationError(
                f"few_shot: {self.modality!r} and {self.text!r} need rows that have both, and "
                f"features of one size: {found.unit.shape[1]} and {texts.unit.shape[1]}"
            )
        fields = [found.fields[row] for row in own]
        labels = labels_of(fields, self.labels, "few_shot")
        return self.measure(found.unit[own], labels, texts.unit[other])

    def measure(
        self, features: np.ndarray, labels: np.ndarray, texts: np.ndarray | None = None
    ) -> dict[str, float]:
        """The metrics of features f32[N, D], labels [N] and texts f32[N, D]."""
        rows = unit(features.astype(np.float64))
        # One table, so that all are kept or left out together.
        if texts is not None:
            rows = np.concatenate([rows, unit(texts.astype(np.float64))], axis=1)
        dim = features.shape[1]
        rng = np.random.default_rng(self.seed)
        metrics = {}
        for shots in self.shots:
            needed = max(2 * shots, shots + 5)
            x, y, classes = _classes_of(needed, rows, labels)
            if classes < 2:
                raise EvaluationError(
                    f"few_shot: fewer than two classes have {needed} rows or more"
                )
            parts = (x[:, :dim], x[:, dim:] if texts is not None else None)
            scores = [self._draw(*parts, y, classes, shots, rng) for _ in range(self.draws)]
            for name in scores[0]:
                metrics[f"{shots}_shot{name}"] = float(np.mean([own[name] for own in scores]))
            metrics[f"{shots}_shot_classes"] = float(classes)
        x, y, classes = _classes_of(2, rows[:, :dim], labels)
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

    def _draw(
        self,
        x: np.ndarray,
        texts: np.ndarray | None,
        y: np.ndarray,
        classes: int,
        shots: int,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """Accuracy, F1 and NDCG@10 with the prototypes of one support; with texts also theirs."""
        members = [np.flatnonzero(y == c) for c in range(classes)]
        support = np.concatenate([rng.choice(own, shots, replace=False) for own in members])
        prototypes = unit(_means(x[support], y[support], classes))
        query = np.setdiff1d(np.arange(len(x)), support)
        truth, scores = y[query], x[query] @ prototypes.T
        answer = scores.argmax(1)
        right, true, given = (
            np.bincount(rows, minlength=classes) for rows in (truth[answer == truth], truth, answer)
        )
        gain = 1 / np.log2(np.arange(2, 12))
        top = truth[np.argsort(-scores, axis=0, kind="stable")[:10]] == np.arange(classes)
        ideal = np.cumsum(gain)[np.minimum(true, 10) - 1]
        found = {
            "": (answer == truth).mean(),
            "_f1": (2 * right / (true + given)).mean(),
            "_ndcg@10": (gain[: len(top)] @ top / ideal).mean(),
        }
        if texts is not None:
            from scipy.special import softmax  # slow to import, for all other evaluators

            told = x[query] @ unit(_means(texts[support], y[support], classes)).T
            a, b = self.weights
            fused = a * softmax(told / self.temperature, axis=1) + b * softmax(scores, axis=1)
            found["_text"] = (told.argmax(1) == truth).mean()
            found["_fused"] = (fused.argmax(1) == truth).mean()
        return found


def _classes_of(rows: int, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The rows of all classes that have so many: x, the number of the class, how many classes."""
    names, counts = np.unique(labels, return_counts=True)
    names = names[counts >= rows]
    kept = np.isin(labels, names)
    return x[kept], np.searchsorted(names, labels[kept]), len(names)


def _means(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    total = np.zeros((classes, x.shape[1]))
    np.add.at(total, y, x)
    return total / np.bincount(y, minlength=classes)[:, None]

"""Few-shot classification by prototypes, and how much closer rows of one class are."""

from typing import Any

import numpy as np

from mmjax.evaluators.data import EvalData, Layer, Model, embed


class FewShot:
    """Accuracy of the nearest prototype, the mean of some unit features of a class.

    Metrics: `<n>_shot` for each n, the accuracy over all rows that are not of the support, mean
    over draws of the support; `intra` and `inter`, mean cosine of two rows of one class and of two
    classes (mean over classes and over pairs of classes), and their difference `delta`; `chance`
    and `classes`. Classes with fewer than max(shots) + 5 rows are left out. The protocol is that of
    Burdisso et al. 2024 (arXiv 2410.18481).

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
        modality: str = "text",
        labels: str = "label",
        shots: tuple[int, ...] = (1, 5),
        draws: int = 10,
        layer: Layer = "encoder",
        seed: int = 0,
    ):
        if not shots or min(shots) < 1 or draws < 1:
            raise ValueError(f"few_shot: shots={shots!r} and draws={draws} must be from 1 up")
        self.modality, self.labels, self.shots = modality, labels, shots
        self.draws, self.layer, self.seed = draws, layer, seed

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        if any(self.labels not in own for own in found.fields):
            raise ValueError(
                f"few_shot: some records have no label {self.labels!r}; they have "
                f"{', '.join(sorted(found.fields[0]))}"
            )
        labels = np.array([own[self.labels] for own in found.fields])
        return self.measure(found.unit, labels)

    def measure(self, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The metrics of features f32[N, D] and labels [N]."""
        names, counts = np.unique(labels, return_counts=True)
        names = names[counts >= max(self.shots) + 5]
        if len(names) < 2:
            raise ValueError(
                f"few_shot: fewer than two classes have {max(self.shots) + 5} rows or more"
            )
        kept = np.isin(labels, names)
        y = np.searchsorted(names, labels[kept])
        x = features[kept].astype(np.float64)
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        rng = np.random.default_rng(self.seed)
        results = {}
        for shots in self.shots:
            scores = []
            for _ in range(self.draws):
                support = np.concatenate(
                    [
                        rng.choice(np.flatnonzero(y == c), shots, replace=False)
                        for c in range(len(names))
                    ]
                )
                prototypes = _means(x[support], y[support], len(names))
                prototypes /= np.maximum(np.linalg.norm(prototypes, axis=1, keepdims=True), 1e-12)
                query = np.setdiff1d(np.arange(len(x)), support)
                scores.append(((x[query] @ prototypes.T).argmax(1) == y[query]).mean())
            results[f"{shots}_shot"] = float(np.mean(scores))
        # Means of all cosines follow from the classes' mean vectors: no N x N matrix.
        count = np.bincount(y)
        means = _means(x, y, len(names))
        between = means @ means.T
        own = np.diag(between)
        intra = ((own * count**2 - count) / (count * (count - 1))).mean()  # without i = j
        inter = between[~np.eye(len(names), dtype=bool)].mean()
        return results | {
            "intra": float(intra),
            "inter": float(inter),
            "delta": float(intra - inter),
            "chance": 1 / len(names),
            "classes": float(len(names)),
        }


def _means(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    total = np.zeros((classes, x.shape[1]))
    np.add.at(total, y, x)
    return total / np.bincount(y, minlength=classes)[:, None]

"""Zero-shot recognition of several labels of one item, by the embeddings of their names."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.class_prompts import check_template, class_vectors
from mmjax.evaluators.data import EvalData, Model, embed, embed_values
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.retrieval import values_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class MultiLabel(Evaluator):
    """How the cosines of an item and of class names rank the item's several labels.

    Metrics: `AUROC` and `mAP`, means over the classes that some items have and some do not (area
    under the ROC curve; average precision over items); `P@k`, the share of right classes among an
    item's k best, `nDCG` of its ranked classes, `macro_F1`, mean F1 of the classes where an item is
    given its k best, and `jaccard`, mean over items of the intersection over union of its classes
    and as many of its best, these four over the items with a label; `classes`, `examples`, `labels`
    (mean number of an item). By scikit-learn. A class vector is made as that of `zero_shot`.

    Args:
      labels: field that holds the classes of a record, a list or one.
      classes: their names; none named: those that occur.
      modality: what is recognized.
      text: modality of the names.
      templates: prompts, each with one `{}` for the name.
      k: of P@k and macro_F1.
      layer: of the towers, as `Embedder.embed` names them.
    """

    def __init__(
        self,
        *,
        labels: LabelRef,
        classes: tuple[str, ...] = (),
        modality: ViewRef = "image",
        text: ViewRef = "text",
        templates: tuple[str, ...] = ("{}",),
        k: Count = 5,
        layer: str = "unit",
    ):
        for template in templates:
            check_template(template)
        if not templates:
            raise ValueError("multilabel: 'templates' names none")
        self.labels, self.classes, self.modality, self.text = labels, classes, modality, text
        self.templates, self.k, self.layer = templates, k, layer

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        found = embed(model, data, (self.modality,), layer=self.layer)[self.modality]
        own = [[str(v) for v in values_of(fields, self.labels)] for fields in found.fields]
        classes = list(self.classes) or sorted({name for names in own for name in names})
        strange = sorted({name for names in own for name in names} - set(classes))
        if strange:
            raise EvaluationError(
                f"multilabel: the records have the {self.labels!r} {strange[0]!r}, which is not "
                "among 'classes'"
            )
        if len(classes) < 2:
            raise EvaluationError(f"multilabel: there are fewer than two {self.labels!r}")
        truth = np.array([[name in names for name in classes] for names in own])
        prompts = [t.format(name) for name in classes for t in self.templates]
        vectors = embed_values(model, data, self.text, prompts, self.layer)
        owner = np.repeat(np.arange(len(classes)), len(self.templates))
        scores = found.unit @ class_vectors(vectors, owner, classes).T
        return measure(scores, truth, self.k)


def measure(scores: np.ndarray, truth: np.ndarray, k: int) -> dict[str, float]:
    """Metrics of scores f[N, C] and of classes bool[N, C]."""
    from sklearn import metrics  # here to start faster

    mixed = truth.any(0) & ~truth.all(0)
    if not mixed.any():
        raise EvaluationError("multilabel: no class is that of some items and not of others")
    s, t = scores[:, mixed], truth[:, mixed]
    labelled = truth.any(1)
    k = min(k, truth.shape[1])
    best = np.zeros(truth.shape, bool)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.put_along_axis(best, order[:, :k], True, axis=1)
    as_many = np.zeros(truth.shape, bool)
    places = np.arange(truth.shape[1]) < truth.sum(1)[:, None]
    np.put_along_axis(as_many, order, places, axis=1)
    best, right = best[labelled], truth[labelled]
    return {
        "AUROC": float(metrics.roc_auc_score(t, s, average="macro")),
        "mAP": float(metrics.average_precision_score(t, s, average="macro")),
        "P@k": float((best & right).sum(1).mean() / k),
        "nDCG": float(metrics.ndcg_score(right, scores[labelled])),
        "jaccard": float(metrics.jaccard_score(right, as_many[labelled], average="samples")),
        "macro_F1": float(metrics.f1_score(right, best, average="macro", zero_division=0)),
        "classes": float(truth.shape[1]),
        "examples": float(len(truth)),
        "labels": float(truth.sum(1).mean()),
    }

"""Zero-shot recognition of several labels of one item, by the embeddings of their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.class_prompts import NAMES, check_template, class_vectors
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
      prompts: class -> its prompts, whole, of every class; in place of templates.
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
        templates: tuple[str, ...] = NAMES,
        prompts: dict[str, tuple[str, ...]] | None = None,
        k: Count = 5,
        layer: str = "unit",
    ):
        for template in templates:
            check_template(template)
        if not templates:
            raise ValueError("multilabel: 'templates' names none")
        if prompts is not None and (templates != NAMES or not all(prompts.values())):
            raise ValueError(
                "multilabel: 'prompts' are whole, one of each class at least, in place of templates"
            )
        self.prompts = prompts
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
        truth = one_hot(own, classes)
        prompts = [self._of(name) for name in classes]
        flat = [prompt for own in prompts for prompt in own]
        vectors = embed_values(model, data, self.text, flat, self.layer)
        owner = np.repeat(np.arange(len(classes)), [len(own) for own in prompts])
        scores = found.unit @ class_vectors(vectors, owner, classes).T
        return measure(scores, truth, self.k)

    def _of(self, name: str) -> tuple[str, ...]:
        """The prompts of a class."""
        if self.prompts is None:
            return tuple(template.format(name) for template in self.templates)
        if name not in self.prompts:
            raise EvaluationError(f"multilabel: prompts has none for the class {name!r}")
        return self.prompts[name]


def one_hot(labels: Sequence[Sequence[str]], classes: Sequence[str]) -> np.ndarray:
    """Which of the classes each item has, bool[N, C]."""
    return np.array([[name in own for name in classes] for own in labels], bool)


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
    best, right = best[labelled], truth[labelled]
    return {
        "AUROC": float(metrics.roc_auc_score(t, s, average="macro")),
        "mAP": float(metrics.average_precision_score(t, s, average="macro")),
        "P@k": float((best & right).sum(1).mean() / k),
        "nDCG": float(metrics.ndcg_score(right, scores[labelled])),
        "jaccard": float(jaccard(scores[labelled], right).mean()),
        "macro_F1": float(metrics.f1_score(right, best, average="macro", zero_division=0)),
        "classes": float(truth.shape[1]),
        "examples": float(len(truth)),
        "labels": float(truth.sum(1).mean()),
    }


def jaccard(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of an item's classes and as many of its best, f64[N].

    Args:
      scores: f[N, C].
      truth: bool[N, C], one of each item at least.
    """
    taken = np.zeros(truth.shape, bool)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.put_along_axis(taken, order, np.arange(truth.shape[1]) < truth.sum(1)[:, None], axis=1)
    return np.asarray((taken & truth).sum(1) / (taken | truth).sum(1))

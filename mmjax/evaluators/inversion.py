"""Modality inversion: retrieval within a modality by queries that are brought to another one."""

from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.class_prompts import check_template
from mmjax.evaluators.data import Embedded, EvalData, Model, embed, embed_values
from mmjax.evaluators.gradients import of_inputs
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.retrieval import Retrieval
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegative, NonNegativeInt, PositiveInt, Repeats


class Inversion(Evaluator):
    """Whether items are found better by their image in another modality than by themselves.

    Contrastive losses across modalities say nothing of similarities within one (Mistretta et al.
    2025, "Cross the Gap", arXiv 2502.04263). Here each of the first `queries` items of a modality
    is searched for among all others of it, by class: once by its own embedding, and once by that of
    pseudo-tokens of the modality `into` that were fitted to it (`mmjax.system.inversion`). And the
    other way round: items are classified by class prompts, across modalities by themselves, within
    one by their inversion.

    Metrics: `mAP`, `R@1` and `mAP@R` of `direct/` and of `inverted/`; `zero_shot/direct` and
    `zero_shot/inverted`, top-1 among the classes; `cosine`, mean of an item and its inversion;
    `queries`.

    Args:
      labels: the field that holds the class.
      modality: of the items.
      into: of the pseudo-tokens; its encoder has to read prompts.
      value: the input that they are put into, behind its first position.
      template: prompt of a class, with one `{}` for its name.
      tokens: number of pseudo-tokens.
      steps, learning_rate, weight_decay: of AdamW, by which they are fitted.
      queries: items, the first ones: each costs `steps` forward and backward passes.
      seed: of the first pseudo-tokens.
    """

    least_records = 2

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        into: ViewRef = "text",
        value: str = "a photo of",
        template: str = "{}",
        tokens: Repeats = 1,
        steps: PositiveInt = 150,
        learning_rate: NonNegative = 2e-2,
        weight_decay: NonNegative = 0.01,
        queries: Count = 200,
        seed: NonNegativeInt = 0,
    ):
        check_template(template)
        self.labels, self.modality, self.into = labels, modality, into
        self.value, self.template, self.queries = value, template, queries
        self.how = dict(
            tokens=tokens,
            steps=steps,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            seed=seed,
        )
        self._retrieval = Retrieval(
            pairs=((modality, modality),), ks=(1,), labels=labels, more=("mAP@R",)
        )

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        items = embed(model, data, (self.modality,))[self.modality]
        invert = of_inputs(model, "invert", "inversion")
        count = min(self.queries, len(items))
        value = data.views[self.into](self.value, None, False)
        inverted = invert(self.into, value, items.unit[:count], **self.how)
        names, truth = np.unique(
            labels_of(items.fields, self.labels, "inversion"), return_inverse=True
        )
        prompts = [self.template.format(name) for name in names]
        classes = embed_values(model, data, self.into, prompts)
        cosine = (inverted * items.unit[:count]).sum(1).mean()
        metrics = {"queries": float(count), "cosine": float(cosine)}
        for name, vectors in (("direct", items.unit[:count]), ("inverted", inverted)):
            found = self._retrieval.direction(_Queries(items, vectors), items)
            metrics |= {f"{name}/{key}": found[key] for key in ("mAP", "R@1", "mAP@R")}
            right = (vectors @ classes.T).argmax(1) == truth[:count]
            metrics[f"zero_shot/{name}"] = float(right.mean())
        return metrics


class _Queries:
    """The first items of a modality, with other vectors: `own` of `Retrieval.direction`."""

    def __init__(self, items: Embedded, vectors: np.ndarray):
        count = len(vectors)
        self.modality, self.unit = items.modality, vectors
        self.ids, self.fields = items.ids[:count], items.fields[:count]
        self.own = np.arange(count)

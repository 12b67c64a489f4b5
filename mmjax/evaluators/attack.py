"""Robustness: what small changes of inputs, fitted to fool a model, leave of its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks import ATTACKS, Attack, Change, Tower
from mmjax.evaluators import logistic
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.batches import Collect
from mmjax.evaluators.class_prompts import NAMES
from mmjax.evaluators.data import EvalData, Model, embed, read_one
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.gradients import of_inputs
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.zero_shot import ZeroShot
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegativeInt, Repeats
from mmjax.schema.registry import Spec


class AttackRobustness(Evaluator):
    """Adversarial robustness: metrics of clean, of randomly changed and of attacked inputs.

    The attack is fitted to one's own frozen model, on records of the further source `train`, and
    measured on others. It stays in memory: nothing of it is written anywhere, only these numbers.

    Metrics, each as `clean/...`; as `random/...`, the mean over `draws` changes of the same size
    that nothing was fitted for, which an attack has to be held against; and as `attacked/...`:
      R@1: of texts for inputs, by ids or by `answers`.
      top_1: zero-shot, with `labels`.
      probe: accuracy of a logistic regression on clean embeddings of `train`, with `labels`.
    With `transfer` the same of each further tower, as `NAME/clean/...`, by the changes that were
    fitted to the first one: what an attacker reaches who does not know the model. And `fitted`, how
    many records the attack saw.

    Args:
      by: the attack: `patch`, `pgd` or `generator`.
      modality: view that is changed: numbers within a known range, such as images.
      text: view of its texts.
      labels: the field that holds the class; None leaves top_1 and probe out.
      templates: prompts of the classes, each with one `{}` for the name.
      answers: label by which answers are right, in the place of the id.
      transfer: further towers, (view, its texts) each; the views have to read the same.
      limits: the least and the greatest number of an input, of views that do not know them.
      draws: of the random changes.
      examples: of `train`, the first ones.
      c: inverse strength of the probe's L2 penalty.
      seed: of the attack and of the random changes.
    """

    further = ("train",)

    def __init__(
        self,
        *,
        by: Annotated[Spec[Attack], ATTACKS],
        modality: ViewRef = "image",
        text: ViewRef = "text",
        labels: LabelRef | None = None,
        templates: tuple[str, ...] = NAMES,
        answers: LabelRef | None = None,
        transfer: tuple[tuple[ViewRef, ViewRef], ...] = (),
        limits: tuple[float, float] | None = None,
        draws: Repeats = 3,
        examples: Count = 2000,
        c: Factor = 1.0,
        seed: NonNegativeInt = 0,
    ):
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"attack: limits={limits!r} should be a smaller and a greater number")
        self.attack, self.labels, self.templates, self.answers = (
            by.build(), labels, templates, answers,
        )  # fmt: skip
        self.sides = ((modality, text), *transfer)
        self.limits, self.draws, self.examples, self.c, self.seed = limits, draws, examples, c, seed

    def check(self, data: EvalData) -> None:
        self._limits(data)

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        low, high = self._limits(data)
        modality = self.sides[0][0]
        function = of_inputs(model, "function", "attack")
        inputs, texts = self._pairs(model, train)
        box = _Box(low, high)
        tower = box.tower(function(train.known_by(modality)))
        shape, asked = inputs.shape[1:], len(inputs)
        changes: dict[str, list[Change | None]] = {
            "clean": [None],
            "random": [self.attack.random(shape, self.seed + n) for n in range(self.draws)],
            "attacked": [self.attack.fitted(tower, box.inside(inputs), texts, self.seed)],
        }
        metrics = {"fitted": float(asked)}
        for number, side in enumerate(self.sides):
            probe = self._probe(model, train, side[0])
            for name, own in changes.items():
                found = [self._measured(model, data, box, each, side, probe) for each in own]
                where = name if number == 0 else f"{side[0]}/{name}"
                metrics |= {
                    f"{where}/{key}": float(np.mean([one[key] for one in found]))
                    for key in found[0]
                }
        return metrics

    def _measured(
        self,
        model: Model,
        data: EvalData,
        box: _Box,
        change: Change | None,
        side: tuple[str, str],
        probe: Callable[[np.ndarray], np.ndarray] | None,
    ) -> dict[str, float]:
        """Metrics of one tower with changed inputs."""
        modality, text = side
        known_by = data.known_by(modality)
        seen: Any = model if change is None else _Attacked(model, known_by, box, change)
        # Embeddings are kept by modality alone, so the data of changed inputs are others.
        own = EvalData(data.source, data.views, data.batch_size)
        with own.shared():
            retrieval = Retrieval(pairs=(side,), ks=(1,), labels=self.answers)
            metrics = {"R@1": retrieval(seen, own)[f"{modality}_to_{text}/R@1"]}
            if self.labels is None or probe is None:
                return metrics
            zero_shot = ZeroShot(
                labels=self.labels, templates=self.templates, modality=modality, text=text
            )
            metrics["top_1"] = zero_shot(seen, own)["top_1"]
            items = embed(seen, own, (modality,))[modality]
            truth = labels_of(items.fields, self.labels, "attack")
            metrics["probe"] = float((probe(items.unit) == truth).mean())
        return metrics

    def _probe(
        self, model: Model, train: EvalData, modality: str
    ) -> Callable[[np.ndarray], np.ndarray] | None:
        """f32[N, D] -> classes [N], by a regression on clean embeddings; None without labels."""
        if self.labels is None:
            return None
        items = embed(model, train, (modality,))[modality]
        names, numbers = np.unique(
            labels_of(items.fields, self.labels, "attack"), return_inverse=True
        )
        mean, scale = items.unit.mean(0), items.unit.std(0) + 1e-6
        weights, bias = logistic.fit_classes(
            (items.unit - mean) / scale, numbers, len(names), self.c
        )
        return lambda x: names[((x - mean) / scale @ weights + bias).argmax(1)]

    def _pairs(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Inputs f32[N, ...] of the first records that have both, and their texts' embeddings."""
        modality, text = self.sides[0]
        collect = Collect(model, data.known_by(text), data.batch_size)
        inputs = []
        for row in range(min(self.examples, len(data.source))):
            items = read_one(data, row, (modality, text), "first").items
            values = {name: value for name, _, value in items}
            if values.keys() == {modality, text}:
                inputs.append(values[modality])
                collect.inputs.append(values[text])
                collect.embed([len(collect.inputs)])
        if len(inputs) < 2:
            raise EvaluationError(
                f"attack: fewer than two of the first {self.examples} records of 'train' have both "
                f"{modality!r} and {text!r}"
            )
        collect.embed([len(collect.inputs)], last=True)
        return np.stack(inputs), collect.finish()

    def _limits(self, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest value of a number of an input, of each channel or of all."""
        views = [data.views[modality] for modality, _ in self.sides]
        for (modality, _), view in zip(self.sides, views, strict=True):
            kind = getattr(view, "dtype", np.dtype(np.float32))
            if not np.issubdtype(kind, np.floating):
                raise EvaluationError(
                    f"attack: inputs of {modality!r} are of {kind} and cannot be changed a little; "
                    "name a modality of numbers, such as 'image'"
                )
            if getattr(view, "shape", None) != getattr(views[0], "shape", None):
                raise EvaluationError(
                    f"attack: {modality!r} has inputs of another shape than {self.sides[0][0]!r}, "
                    "whose changes it is to get; give both the same view"
                )
        if self.limits is not None:
            low, high = (np.asarray(limit, np.float32) for limit in self.limits)
            return low, high
        first: tuple[np.ndarray, np.ndarray] | None = None
        for (modality, _), view in zip(self.sides, views, strict=True):
            own = getattr(view, "limits", None)
            if own is None:
                raise EvaluationError(
                    f"attack: the view of {modality!r} does not know the range of its numbers; set "
                    "limits=(least, greatest)"
                )
            first = own if first is None else first
            if not all(np.array_equal(a, b) for a, b in zip(own, first, strict=True)):
                raise EvaluationError(
                    f"attack: {modality!r} has another range of numbers than "
                    f"{self.sides[0][0]!r}, whose changes it is to get; give both the same view"
                )
        assert first is not None
        return first

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Inputs, texts and labels of both sources; `answers` of what is measured."""
        names = ("modality", "text", "labels", "transfer")
        return {name: options[name] for name in (*names, *(["answers"] * (source == "source")))}


class _Box(NamedTuple):
    """The range of inputs, which attacks know as [0, 1]."""

    low: np.ndarray
    high: np.ndarray

    def inside(self, x: Any) -> Any:
        """Inputs as numbers in [0, 1]."""
        return (x - self.low) / (self.high - self.low)

    def outside(self, x: Any) -> Any:
        """Numbers in [0, 1] as inputs."""
        return self.low + (self.high - self.low) * x

    def tower(self, own: Tower) -> Tower:
        """A tower of numbers in [0, 1], of one of inputs; a pytree as that is."""
        return jax.tree_util.Partial(_from_inside, own, self.low, self.high)


def _from_inside(own: Tower, low: jax.Array, high: jax.Array, x: jax.Array) -> jax.Array:
    return own(low + (high - low) * x)


class _Attacked:
    """A model whose inputs of one tower are changed before they are embedded."""

    def __init__(self, model: Model, modality: str, box: _Box, change: Change):
        self._model, self._modality, self._box, self._change = model, modality, box, change
        self.modalities: Sequence[str] = model.modalities

    def embed(self, modality: str, array: Any, layer: str = "unit") -> np.ndarray:
        if modality == self._modality:
            inside = jnp.asarray(self._box.inside(array), jnp.float32)
            array = np.asarray(self._box.outside(np.asarray(self._change(inside))), np.float32)
        how = () if layer == "unit" else (layer,)
        return self._model.embed(modality, array, *how)

"""Evaluators: metrics of a trained model, streamed.

No N x N array ever exists. An evaluator is configured under `evaluators.<type>.<name>` and called
as `evaluator(model, data, mesh) -> {metric: value}`; `run` calls several and names their metrics
`<type>/<name>/<metric>`.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmjax.data.records import Source
from mmjax.evaluators.base import Evaluator, EvaluatorConfig
from mmjax.evaluators.data import EvalData, Model
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.registry import EVALUATORS, EvaluatorTable
from mmjax.schema.registry import Spec

__all__ = [
    "EVALUATORS",
    "EvalData",
    "EvaluationError",
    "Evaluator",
    "EvaluatorConfig",
    "EvaluatorTable",
    "Model",
    "Opener",
    "Task",
    "run",
]


class Opener:
    """Opens the sources of evaluators; those with the same source share its data's embeddings.

    Args:
      views: as for `EvalData`.
    """

    def __init__(self, views: Mapping[str, Callable[..., np.ndarray]]):
        self._views = views
        self._opened: dict[str, EvalData] = {}

    def __call__(self, config: EvaluatorConfig) -> dict[str, EvalData]:
        """The data of each source of an evaluator, by name."""
        return {name: self._open(source) for name, source in config.sources.items()}

    def _open(self, source: Spec[Source]) -> EvalData:
        key = json.dumps(source.plain(), sort_keys=True)
        if key not in self._opened:
            self._opened[key] = EvalData(source.build(), self._views)
        return self._opened[key]


class Task(NamedTuple):
    """An evaluator with its data.

    Attributes:
      evaluator: what measures.
      data: of its `source`.
      further: of its further sources, by name.
    """

    evaluator: Evaluator
    data: EvalData
    further: Mapping[str, EvalData] = {}

    @property
    def every(self) -> tuple[EvalData, ...]:
        """All its data."""
        return (self.data, *self.further.values())


def run(model: Model, tasks: Mapping[str, Task], mesh: Any = None) -> dict[str, float]:
    """Runs evaluators on one state of a model.

    Args:
      model: the model.
      tasks: `<type>/<name>` -> evaluator and data. Evaluators of one EvalData object share its
        embeddings, so give equal sources the same object.
      mesh: of devices, handed on.

    Returns:
      `<type>/<name>/<metric>` -> value.
    """
    metrics: dict[str, float] = {}
    data = list({id(each): each for task in tasks.values() for each in task.every}.values())
    with contextlib.ExitStack() as stack:
        for each in data:
            stack.enter_context(each.shared())
        for name, task in tasks.items():
            found = task.evaluator(model, task.data, mesh, **task.further)
            metrics |= {f"{name}/{metric}": value for metric, value in found.items()}
        for sentence in dict.fromkeys(s for each in data for s in each.unreadable()):
            logging.getLogger(__name__).warning("left out of the evaluation: %s", sentence)
    return metrics

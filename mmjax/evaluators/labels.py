"""Labels of evaluated rows, and the metrics of a classifier that was fitted on other rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.evaluators.errors import EvaluationError


def labels_of(fields: Sequence[Mapping[str, Any]], key: str, evaluator: str) -> np.ndarray:
    """The label `key` of every row, [N].

    Raises:
      EvaluationError: a row has none; the sentence names `evaluator` and what the rows have.
    """
    if any(key not in own for own in fields):
        raise EvaluationError(
            f"{evaluator}: some records have no label {key!r}; they have "
            f"{', '.join(sorted(fields[0]))}"
        )
    return np.array([own[key] for own in fields])


def accuracy(answer: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, float]:
    """Metrics of predicted classes [N] and true ones [N]; `classes` were there to choose from.

    `accuracy`, `chance` (the share of the most frequent true class), `classes` and `examples`.
    """
    _, counts = np.unique(truth, return_counts=True)
    return {
        "accuracy": float((answer == truth).mean()),
        "chance": float(counts.max() / counts.sum()),
        "classes": float(classes),
        "examples": float(len(truth)),
    }

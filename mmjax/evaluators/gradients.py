"""What evaluators ask of a model beyond embeddings: functions with gradients by its inputs."""

from typing import Any

from mmjax.evaluators.data import Model
from mmjax.evaluators.errors import EvaluationError


def of_inputs(model: Model, what: str, evaluator: str) -> Any:
    """A method of a model that needs such gradients, as `mmjax.system.embedder.Embedder` has it.

    Args:
      model: of the evaluation.
      what: `function`, `invert` or `free_words`.
      evaluator: its name, for the message.

    Raises:
      EvaluationError: for a model without it, such as one that another library runs.
    """
    found = getattr(model, what, None)
    if found is None:
        raise EvaluationError(f"{evaluator}: this model has no gradients of its inputs")
    return found

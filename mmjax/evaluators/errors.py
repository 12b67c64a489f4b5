"""The error of evaluators."""

from mmjax.errors import UserError


class EvaluationError(UserError, ValueError):
    """An evaluator cannot measure what it is asked to on its data; the message says why."""

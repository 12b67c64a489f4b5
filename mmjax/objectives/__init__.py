"""Objective terms, and the weighted sum of them that a recipe trains.

A term is `term(outputs, batch, context) -> (loss, metrics)`, see `base.Term`; `TERMS` lists those
that a recipe may name.
"""

from mmjax.objectives.base import Context, Term
from mmjax.objectives.errors import TermError
from mmjax.objectives.objectives import ObjectiveConfig, Objectives, configs
from mmjax.objectives.registry import TERMS

__all__ = ["TERMS", "Context", "ObjectiveConfig", "Objectives", "Term", "TermError", "configs"]

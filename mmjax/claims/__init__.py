"""Experiments behind the claims of recipes: their arms over their seeds, and a verdict.

    python -m mmjax.claims clip_uniform               # `claim` of configs/claims/clip_uniform.py
    python -m mmjax.claims clip_uniform:claim_emoji   # another one of that file
    python -m mmjax.claims --all

A file of experiments says them as functions, `claim` and perhaps `claim_<name>`, that return a
`Claim`: arms, each a change of the recipe, and checks, each an inequality between the metrics of
two arms. The runs go through the same trainer as everything.
"""

from mmjax.claims.experiment import Check, Claim
from mmjax.recipe.changes import Replace

__all__ = ["Check", "Claim", "Replace"]

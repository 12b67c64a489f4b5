"""Experiments behind the claims of recipes: arms tuned alike, fresh seeds, and a verdict.

    python -m mmjax.claims clip_uniform --tune        # chooses the setting of every arm
    python -m mmjax.claims clip_uniform               # `claim` of configs/claims/clip_uniform.py
    python -m mmjax.claims clip_uniform:claim_emoji   # another one of that file
    python -m mmjax.claims --stale                    # whose records are not of the claim as it is
    python -m mmjax.claims --all                      # runs these

A file of experiments says them as functions, `claim` and perhaps `claim_<name>`, that return a
`Claim`: arms, each a change of the recipe with a grid to choose from; checks, each an inequality
between the metrics of two arms, or a ranking of many; and controls, which must not pass them. The
runs go through the same trainer as everything.
"""

from mmjax.claims.experiment import SEEDS, Arm, Check, Claim, Control, Ranking, Tuning
from mmjax.recipe.changes import Replace

__all__ = ["SEEDS", "Arm", "Check", "Claim", "Control", "Ranking", "Replace", "Tuning"]

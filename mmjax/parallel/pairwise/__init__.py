"""Reductions over all pairs of rows and columns, streamed: the heart of every objective here.

A contrastive objective reduces a matrix of scores, rows times columns. These functions reduce it
without forming it: tiles are computed, added to running statistics, and computed again for the
gradient. Memory grows with the number of rows, not with its square. The caller writes a score
function and chooses nothing else; how the devices share the work is in the `Plan`.

    scale = jnp.exp(log_scale)
    by_image, by_text = pairwise.logsumexp(
        lambda x, y, scale: scale * x @ y.T, image, text, scale, plan=Plan(mesh)
    )
"""

from mmjax.parallel.pairwise.engine import Score, Sides, logsumexp, sums, total
from mmjax.parallel.pairwise.plan import PairwiseError, Plan

__all__ = ["PairwiseError", "Plan", "Score", "Sides", "logsumexp", "sums", "total"]

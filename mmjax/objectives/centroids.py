"""The distance of the mean embeddings of two modalities, a measure of their gap."""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.objectives.base import Batch, Context, Loss, Outputs, Rows, Term, mean_over, rows_of
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.momentum import of_teacher, with_teacher
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import NonNegative


class CentroidGap(Term):
    """The modality gap, drawn to a target.

        L = (Δ - Δ_0)²,   Δ = |mean_i x_i - mean_i y_i|,

    of unit rows, over the valid ones. Δ is the modality gap of Liang et al. 2022 (arXiv 2203.02053,
    section 2). With Δ_0 = 0 it is closed; with the gap of pretraining it is preserved, which the
    study of representation gaps of graphs and texts (arXiv 2510.12087) holds to be better: there
    are both, and which is better is an experiment. Where Δ = 0 and Δ_0 > 0 no direction leads
    away, and the gradient is 0. The metric `gap` is Δ, the mean over the pairs.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      target: Δ_0, a number or the `teacher`'s, of the same rows; for that of pretraining a frozen
        teacher of a stage.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        target: NonNegative | Literal["teacher"] = 0.0,
    ):
        check_pairs("centroid_gap", pairs)
        self.pairs, self.target = pairs, target

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        taught = self.target == "teacher"
        everything = with_teacher(self.name, outputs, context) if taught else outputs
        losses, gaps = [], []
        for pair in self.pairs:
            names = (*pair, *map(of_teacher, pair)) if taught else pair
            rows = rows_of(self.name, names, everything, batch)
            gap = _distance(rows, 0, 1)
            target: jax.Array | float
            if self.target == "teacher":
                target = jax.lax.stop_gradient(_distance(rows, 2, 3))
            else:
                target = self.target
            losses.append((gap - target) ** 2)
            gaps.append(gap)
        return mean_over(losses), {"gap": mean_over(gaps)}


def _distance(rows: Rows, first: int, second: int) -> jax.Array:
    """|mean x - mean y|, with the gradient 0 where it is 0, which that of a root is not."""
    x, y = (rows.unit[side].astype(jnp.float32).sum(0) for side in (first, second))
    square = (((x - y) / jnp.maximum(rows.count, 1.0)) ** 2).sum()
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)

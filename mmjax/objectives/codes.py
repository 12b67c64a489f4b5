"""Regularizers of codes: of how much they are used, and by whom."""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.objectives.base import Batch, Context, Loss, Outputs, Rows, Term, rows_of, sum_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import ViewRef

Measure = Literal["overuse", "flops"]


class CodeRegularizer(Term):
    """Codes that a batch uses evenly, or sparsely.

    Of codes s_ik >= 0, the raw embeddings of a head of type 'codebook' with output='codes', with
    means over the valid rows of the whole batch:

    `overuse`, K Σ_k u_k² of the usage u_k = mean_i s_ik / Σ_l s_il: 1 where all K codes are used
    alike, K where all rows use one; the scale of a row does not matter, and a row of zeros uses
    none. The overuse penalty of LexVLA (Li et al. 2024, arXiv 2407.17827), as a card reconstructs
    it from the paper's description.

    `flops`, Σ_k (mean_i s_ik)²: as many products as an inverted index would do (Paria et al. 2020,
    arXiv 2004.05665). It can be lowered by making all codes small.

    Args:
      views: whose codes; the loss is the sum over them.
      measure: `overuse` or `flops`.
    """

    least_rows = 1

    def __init__(
        self, *, views: tuple[ViewRef, ...] = ("image", "text"), measure: Measure = "overuse"
    ):
        if not views:
            raise TermError("The term 'code_regularizer' needs at least one view.")
        self.views, self.measure = views, measure

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = {}
        for view in self.views:
            rows = rows_of(self.name, (view,), outputs, batch, layer="raw")
            values[view] = self._measured(rows)
        return sum_of(values.values()), values

    def _measured(self, rows: Rows) -> jax.Array:
        codes = rows.unit[0].astype(jnp.float32)
        if self.measure == "flops":
            return (_mean(codes, rows) ** 2).sum()
        total = codes.sum(-1, keepdims=True)
        usage = _mean(codes / jnp.where(total > 0, total, 1.0), rows)
        return codes.shape[-1] * (usage**2).sum()


def _mean(values: jax.Array, rows: Rows) -> jax.Array:
    """Mean f32[K] of f32[B, K] over the valid rows, the others of which are 0."""
    return values.sum(0) / jnp.maximum(rows.count, 1.0)

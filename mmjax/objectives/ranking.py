"""Bayesian personalized ranking: a right item scores higher than one drawn at random."""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import Batch, Context, Layer, Loss, Outputs, Term, rows_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import ViewRef


class BayesianRanking(Term):
    """Bayesian personalized ranking (BPR): what a user has scores higher than what he has not.

    With the query q_i, its positive p_i and its negative n_i of each row,

        L = mean_i softplus(q_i·n_i - q_i·p_i),

    minus the log-likelihood of the order (Rendle et al. 2009, arXiv 1205.2618, section 4.1). The
    metric `accuracy` is the share of rows in the right order. Each row is looked at by itself.

    Args:
      query: view, such as a user.
      positive, negative: views of an item that is right and of one that is not, of the same size.
      layer: whose dot products score: `raw` or `unit`.
    """

    least_rows = 1

    def __init__(
        self, *, query: ViewRef, positive: ViewRef, negative: ViewRef, layer: Layer = "raw"
    ):
        if len({query, positive, negative}) < 3:
            raise TermError(
                f"The term 'bpr' has query={query!r}, positive={positive!r} and "
                f"negative={negative!r}: name three different views."
            )
        self.views, self.layer = (query, positive, negative), layer

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(self.name, self.views, outputs, batch, layer=self.layer)
        query, positive, negative = rows.unit
        ahead = (query * (positive - negative)).sum(-1)
        right = rows.mean((ahead > 0).astype(jnp.float32))
        return rows.mean(jax.nn.softplus(-ahead)), {"accuracy": right}

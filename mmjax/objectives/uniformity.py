"""Alignment and uniformity of embeddings on the unit sphere (Wang and Isola).

On the unit sphere |a - b|² = 2 - 2 a·b, so a mean of Gaussian potentials is a log-sum-exp of inner
products, which the pairwise engine streams. Wang and Isola 2020 (arXiv 2005.10242) introduced the
measures; the terms here are those of Fahim et al. 2024 (arXiv 2405.18570, card 02), whose means
over pairs are inside of the logarithm.
"""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Rows,
    Term,
    both_valid,
    features,
    mean_over,
    rows_of,
    same_example,
    similarity,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, Positive


class Uniformity(Term):
    """Uniformity within each modality.

        L = mean over modalities of  U(X) = log mean_{i<j} exp(-t |x_i - x_j|²),

    over the pairs of valid rows; 0 with fewer than two. Fahim et al. 2024 (arXiv 2405.18570),
    L_unif, with t = 2. From 0 (all rows equal) it falls towards -2t (uniform in many dimensions).

    Args:
      modalities: whose embeddings to spread.
      t: inverse width of the potential, > 0.
    """

    def __init__(self, *, modalities: tuple[ViewRef, ...] = ("image", "text"), t: Positive = 2.0):
        if not modalities:
            raise TermError("The term 'uniformity' needs at least one modality.")
        self.modalities = modalities
        self.t = t

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = {}
        for name in self.modalities:
            rows = rows_of(self.name, (name,), outputs, batch)
            x = features(rows, 0, index=True)
            values[name] = _log_mean_potential(x, x, rows, self.t, context.plan)
        return mean_over(list(values.values())), values


class CrossUniformity(Term):
    """Uniformity between two modalities: non-matching pairs are pushed apart.

        L = log mean_{i≠j} exp(-t |x_i - y_j|²),

    over pairs of valid rows; 0 with fewer than two. Fahim et al. 2024 (arXiv 2405.18570), L_xunif,
    with t = 2.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      t: inverse width of the potential, > 0.
    """

    def __init__(
        self, *, pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),), t: Factor = 2.0
    ):
        check_pairs("cross_uniformity", pairs)
        self.pairs = pairs
        self.t = t

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch)
            x, y = (features(rows, side, index=True) for side in (0, 1))
            values.append(_log_mean_potential(x, y, rows, self.t, context.plan))
        return mean_over(values), {}


class Alignment(Term):
    """Squared distance of matching pairs.

        L = mean_i |x_i - y_i|²,

    over the valid rows. Fahim et al. 2024 (arXiv 2405.18570), L_align; Wang and Isola 2020 (arXiv
    2005.10242) with α = 2.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
    """

    least_rows = 1

    def __init__(self, *, pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),)):
        check_pairs("alignment", pairs)
        self.pairs = pairs

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch)
            values.append(rows.mean(((rows.unit[0] - rows.unit[1]) ** 2).sum(-1)))
        return mean_over(values), {}


def _log_mean_potential(
    x: Features, y: Features, rows: Rows, t: float, plan: pairwise.Plan
) -> jax.Array:
    """log mean_{i≠j} exp(-t |x_i - y_j|²) over valid rows i, j.

    For x = y the mean over ordered pairs i ≠ j equals that over i < j.
    """

    def score(x: Features, y: Features, _: object) -> jax.Array:
        counted = both_valid(x, y) & ~same_example(x, y)
        return jnp.where(counted, 2 * t * similarity(x["unit"], y["unit"]), -jnp.inf)

    by_row, _ = pairwise.logsumexp(score, x, y, plan=plan, sides="rows")
    enough = rows.count >= 2
    # Without a pair every row has -inf: replaced before the reduction, whose gradient is NaN there.
    total = jax.nn.logsumexp(jnp.where(enough, by_row, 0.0))
    pairs = jnp.maximum(rows.count * (rows.count - 1), 1.0)
    return jnp.where(enough, total - 2 * t - jnp.log(pairs), 0.0)

"""Redundancy reduction without negatives: Barlow Twins and VICReg.

These terms reduce over the batch to a matrix of D x D numbers, not over pairs of rows, so they need
no streaming.
"""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Loss,
    Outputs,
    Rows,
    Term,
    mean_over,
    rows_of,
    sum_of,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import NonNegative, Positive


class BarlowTwins(Term):
    """Barlow Twins: cross-correlation matrix of two modalities close to the identity.

    With the embeddings a, b before normalisation, each of their D dimensions brought to mean 0 and
    deviation 1 over the N valid rows, and C = aᵀ b / N,

        L = Σ_d (1 - C_dd)² + λ Σ_(d ≠ e) C_de².

    Zbontar et al. 2021 (arXiv 2103.03230, equation 1). Statistics are those of the global batch.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      off_diagonal: λ; the paper has 0.0051.
      eps: added to variances.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        off_diagonal: NonNegative = 0.0051,
        eps: Positive = 1e-5,
    ):
        check_pairs("barlow_twins", pairs)
        self.pairs, self.off_diagonal, self.eps = pairs, off_diagonal, eps

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        losses, agreement = [], []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch, layer="raw")
            a, b = (_standardized(rows, side, self.eps) for side in (0, 1))
            c = _product(a, b) / jnp.maximum(rows.count, 1.0)
            diagonal = jnp.diagonal(c)
            on, everything = ((1 - diagonal) ** 2).sum(), (c**2).sum()
            losses.append(on + self.off_diagonal * (everything - (diagonal**2).sum()))
            agreement.append(diagonal.mean())
        return mean_over(losses), {"diagonal": mean_over(agreement)}


class VICReg(Term):
    """VICReg: variance, invariance and covariance of the embeddings of two modalities.

        L = λ mean_i |a_i - b_i|² / D + Σ_z [ μ mean_d max(0, 1 - (var z_d + eps)^1/2) / 2
                                            + ν Σ_(d ≠ e) cov(z)_de² / D ],

    z = a and b, embeddings before normalisation, with unbiased variances over the valid rows.
    Bardes et al. 2022 (arXiv 2105.04906, section 4.1, as in the authors' code, which halves the
    variance term); λ = μ = 25, ν = 1. 0 with fewer than two rows.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      invariance: λ.
      variance: μ.
      covariance: ν.
      eps: added to variances.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        invariance: NonNegative = 25.0,
        variance: NonNegative = 25.0,
        covariance: NonNegative = 1.0,
        eps: Positive = 1e-4,
    ):
        check_pairs("vicreg", pairs)
        self.pairs, self.eps = pairs, eps
        self.factors = (invariance, variance, covariance)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        parts = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch, layer="raw")
            enough = rows.count >= 2
            size = rows.unit[0].shape[1]
            distance = rows.mean(((rows.unit[0] - rows.unit[1]) ** 2).mean(-1))
            spread = redundancy = jnp.zeros(())
            for side in (0, 1):
                centred = _centred(rows, side)
                cov = _product(centred, centred) / jnp.maximum(rows.count - 1, 1.0)
                own = jnp.diagonal(cov)
                spread = spread + jnp.maximum(1 - jnp.sqrt(own + self.eps), 0.0).mean() / 2
                redundancy = redundancy + ((cov**2).sum() - (own**2).sum()) / size
            parts.append([jnp.where(enough, v, 0.0) for v in (distance, spread, redundancy)])
        means = [mean_over(list(values)) for values in zip(*parts, strict=True)]
        loss = sum_of(factor * value for factor, value in zip(self.factors, means, strict=True))
        names = ("invariance", "variance", "covariance")
        return loss, dict(zip(names, means, strict=True))


def _centred(rows: Rows, side: int) -> jax.Array:
    """The embeddings minus their mean over valid rows; 0 in the others."""
    z = rows.unit[side]  # 0 in rows that are not valid
    centred = z - z.sum(0) / jnp.maximum(rows.count, 1.0)
    return centred if rows.valid is None else jnp.where(rows.valid[:, None], centred, 0.0)


def _standardized(rows: Rows, side: int, eps: float) -> jax.Array:
    centred = _centred(rows, side)
    variance = (centred**2).sum(0) / jnp.maximum(rows.count, 1.0)
    return centred * jax.lax.rsqrt(variance + eps)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.einsum("bd,be->de", a, b, precision="highest")

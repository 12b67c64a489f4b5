"""Redundancy reduction without negatives: Barlow Twins, VICReg, and orthogonality.

These terms reduce over the batch to a matrix of D x D numbers, not over pairs of rows, so they need
no streaming.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.model.embedding import unit_norm
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
    valid_rows,
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


class CrossCovariance(Term):
    """Orthogonality of two embeddings over the batch: no direction of one follows one of the other.

    With x_i and y_i the embeddings before normalisation, minus their means over the N valid rows,
    each divided by its length,

        L = 1/(D D') Σ_de C_de²,   C = Σ_i x_i y_iᵀ / N,

    for halves of embeddings that shall not hold the same, such as what two modalities share and
    what is one's own. 0 with fewer than two rows.

    In the code of REARM (Shouxing Ma et al. 2025, arXiv 2508.13745) lengths are constants and the
    sum is not divided, `through_length=False, reduction='sum'`: the gradient then has a part along
    x_i, which shrinks the rows although the loss does not depend on their lengths, and its size
    grows with the batch, so such a weight has to be small (1e-5 to 5e-4 there).

    Args:
      pairs: pairs of views, whose sizes D and D' may differ; the loss is the mean over them.
      through_length: whether the gradient goes through the lengths.
      reduction: C is the `mean` over rows, or their `sum`.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        through_length: bool = True,
        reduction: Literal["mean", "sum"] = "mean",
    ):
        check_pairs("cross_covariance", pairs)
        self.pairs, self.through_length, self.reduction = pairs, through_length, reduction

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        losses = []
        for pair in self.pairs:
            # Each by itself: they may differ in size, which `rows_of` does not let pass.
            sides = [rows_of(self.name, (name,), outputs, batch, layer="raw") for name in pair]
            valid = valid_rows(pair, batch)
            x, y = (self._directions(rows.unit[0], valid) for rows in sides)
            c = _product(x, y)
            if self.reduction == "mean":
                count = len(x) if valid is None else valid.sum(dtype=jnp.float32)
                c = c / jnp.maximum(count, 1.0)
            losses.append((c**2).mean())
        return mean_over(losses), {}

    def _directions(self, z: jax.Array, valid: jax.Array | None) -> jax.Array:
        count = jnp.float32(len(z)) if valid is None else valid.sum(dtype=jnp.float32)
        z = z if valid is None else jnp.where(valid[:, None], z, 0.0)
        x = _centred(Rows((z,), valid, count), 0)
        if self.through_length:
            return unit_norm(x)
        length = jax.lax.stop_gradient(jnp.sqrt((x * x).sum(-1, keepdims=True)))
        return x / jnp.maximum(length, 1e-6)


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

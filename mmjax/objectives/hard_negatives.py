"""InfoNCE with negatives weighted by their hardness, and corrected for false ones."""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Term,
    both_valid,
    features,
    mean_over,
    rows_of,
    same_example,
    similarity,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import BelowOne, Factor, NonNegative


class HardInfoNCE(Term):
    """InfoNCE between two modalities with hard negative sampling.

    For S_ij = x_i·y_j / τ, p = exp S_ii, n_j = exp S_ij and the N = B - 1 negatives j ≠ i of an
    anchor, rows and columns alike,

        R = Σ_j n_j^(1+β) / mean_j n_j^β,    G = max( (R - τ⁺ N p) / (1 - τ⁺),  N exp(-1/τ) ),
        L = mean over the 2B anchors of  log(p + G) - log p.

    Robinson et al. 2021 (arXiv 2010.04592, equation 4 and section 4), between modalities as in Choi
    et al. 2023 (arXiv 2309.01262) for skeletons and inertial sensors. The gradient flows through
    the weights too. β = 0 and τ⁺ = 0 is InfoNCE. All is computed from two log-sum-exps for each
    anchor; 0 with fewer than two valid rows.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      beta: β >= 0, the concentration on negatives that are close.
      tau_plus: τ⁺ in [0, 1), the share of negatives that are of the anchor's class.
      temperature: τ, fixed: the bound of G depends on it.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        beta: NonNegative = 1.0,
        tau_plus: BelowOne = 0.1,
        temperature: Factor = 0.5,
    ):
        check_pairs("hard_info_nce", pairs)
        self.pairs, self.beta, self.tau_plus = pairs, beta, tau_plus
        self.temperature = Temperature(temperature, learned=False)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        losses, clamped = [], []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch)
            x, y = (features(rows, side, index=True) for side in (0, 1))
            powers = (1.0 + self.beta, self.beta)

            def score(
                x: Features, y: Features, scale: jax.Array, powers: tuple[float, float] = powers
            ) -> tuple[jax.Array, ...]:
                s = scale * similarity(x["unit"], y["unit"])
                negative = both_valid(x, y) & ~same_example(x, y)
                return tuple(jnp.where(negative, power * s, -jnp.inf) for power in powers)

            sides = pairwise.logsumexp(score, x, y, scale, plan=context.plan)
            positive = scale * (rows.unit[0] * rows.unit[1]).sum(-1)
            for weighted, weights in sides:
                value, at_bound = self._anchor(positive, weighted, weights, rows.count, scale)
                losses.append(rows.mean(value))
                clamped.append(rows.mean(at_bound))
        return mean_over(losses), {"clamped": mean_over(clamped)}

    def _anchor(
        self,
        positive: jax.Array,
        weighted: jax.Array,
        weights: jax.Array,
        count: jax.Array,
        scale: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """Loss of each anchor and whether its G is at the bound; f32[B] each."""
        enough = count >= 2
        number = jnp.maximum(count - 1, 1.0)
        safe = [jnp.where(jnp.isfinite(v) & enough, v, 0.0) for v in (weighted, weights)]
        log_r = jnp.log(number) + safe[0] - safe[1]
        log_bound = jnp.log(number) - scale
        # The difference cannot be taken of logarithms, so both are scaled by the larger one first.
        top = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(positive, log_r), log_bound))
        p, r = jnp.exp(positive - top), jnp.exp(log_r - top)
        corrected = (r - self.tau_plus * number * p) / (1 - self.tau_plus)
        bound = jnp.exp(log_bound - top)
        value = top + jnp.log(p + jnp.maximum(corrected, bound)) - positive
        return jnp.where(enough, value, 0.0), (corrected < bound).astype(jnp.float32)

"""Hinge (triplet) losses of pairs: over all wrong partners, or the hardest one."""

from typing import Literal

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
from mmjax.objectives.contrastive import check_directions, check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.sampling import hardest
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, NonNegative


class Hinge(Term):
    """Hinge loss, or triplet ranking loss, of pairs: the right partner is better by a margin.

    For unit embeddings x_i, y_i of the N valid rows with s_ij = x_i·y_j and a margin m,

        L = 1/(N (N-1)) Σ_(i ≠ j) [ w_x max(0, m + s_ij - s_ii) + w_y max(0, m + s_ji - s_ii) ]

    over all wrong partners (Karpathy and Fei-Fei 2015, arXiv 1412.2306, equation 8; Merkx and Frank
    2019, arXiv 1903.11393, whose N² is here N (N-1)). With `negatives='hardest'` only the wrong
    partner of the highest cosine counts, the first of equal ones,

        L = 1/N Σ_i [ w_x max(0, m + max_(j ≠ i) s_ij - s_ii) + w_y max(0, ...) ],

    (Faghri et al. 2018, arXiv 1707.05612, VSE++, equation 6), which ordinary rows that repeat, such
    as two captions of one image, turn against themselves. Both stream over tiles.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      margin: m.
      negatives: `all` wrong partners, or the `hardest`.
      reduction: of all, the mean over wrong `pairs`, or over `rows` of their sums.
      direction_weights: (w_x, w_y); (1, 0) ranks y for every x only.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        margin: Factor = 0.2,
        negatives: Literal["all", "hardest"] = "all",
        reduction: Literal["pairs", "rows"] = "pairs",
        direction_weights: tuple[NonNegative, NonNegative] = (1.0, 1.0),
    ):
        check_pairs("hinge", pairs)
        check_directions(direction_weights)
        if negatives == "hardest" and reduction == "rows":
            raise TermError("The term 'hinge' has one hardest partner a row: leave out reduction.")
        self.pairs, self.margin, self.negatives = pairs, margin, negatives
        self.by_pair, self.direction_weights = reduction == "pairs", direction_weights

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        of_pair = self._all if self.negatives == "all" else self._hardest
        losses = [of_pair(pair, outputs, batch, context.plan) for pair in self.pairs]
        return mean_over(losses), {}

    def _all(
        self, pair: tuple[str, str], outputs: Outputs, batch: Batch, plan: pairwise.Plan
    ) -> jax.Array:
        rows = rows_of(self.name, pair, outputs, batch)
        own = (rows.unit[0] * rows.unit[1]).sum(-1)
        x, y = ({**features(rows, side, index=True), "own": own} for side in (0, 1))

        def violated(x: Features, y: Features, _: object) -> jax.Array:
            s = self.margin + similarity(x["unit"], y["unit"])
            bounds = (x["own"][:, None], y["own"][None, :])
            loss = sum(
                w * jax.nn.relu(s - bound)
                for w, bound in zip(self.direction_weights, bounds, strict=True)
                if w
            )
            return jnp.where(wrong(x, y), loss, 0.0)

        total: jax.Array = pairwise.total(violated, x, y, plan=plan)
        others = jnp.maximum(rows.count - 1, 1.0) if self.by_pair else 1.0
        return total / (jnp.maximum(rows.count, 1.0) * others)

    def _hardest(
        self, pair: tuple[str, str], outputs: Outputs, batch: Batch, plan: pairwise.Plan
    ) -> jax.Array:
        rows = rows_of(self.name, pair, outputs, batch)
        own = (rows.unit[0] * rows.unit[1]).sum(-1)
        loss = jnp.zeros(())
        for side, weight in enumerate(self.direction_weights):
            if not weight:
                continue
            x, y = (features(rows, k, index=True) for k in (side, 1 - side))
            place = hardest(candidate, *jax.lax.stop_gradient((x, y)), plan=plan)
            worst = (x["unit"] * jnp.take(y["unit"], place, axis=0)).sum(-1)
            loss = loss + weight * rows.mean(jax.nn.relu(self.margin + worst - own))
        return jnp.where(rows.count > 1, loss, 0.0)


def wrong(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: pairs of different valid rows."""
    return both_valid(x, y) & ~same_example(x, y)


def candidate(x: Features, y: Features, _: object) -> jax.Array:
    """Cosines of wrong pairs, f32[r, c]; -inf elsewhere."""
    return jnp.where(wrong(x, y), similarity(x["unit"], y["unit"]), -jnp.inf)

"""InfoNCE over stacked pairs: those of one row are hard negatives of each other."""

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
    features,
    rows_of,
    same_example,
    sum_of,
)
from mmjax.objectives.contrastive import Further, cosine, cross_entropy
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Factor, NonNegative


class StackedInfoNCE(Term):
    """InfoNCE over a stack of pairs: those of one row are hard negatives in both modalities.

    For K pairs of views (x^k, y^k) of N rows, unit embeddings and S^kl_ij = x^k_i·y^l_j / τ, the
    anchor x^k_i has the candidates of its own pair and, weighed, those of all others:

        l^k_i = log Z^k_i - S^kk_ii,
        Z^k_i = Σ_j exp S^kk_ij + Σ_(l ≠ k) (a exp S^kl_ii + b Σ_(j ≠ i) exp S^kl_ij),
        L     = w_x Σ_k v_k Σ_i l^k_i / Σ_k v_k N_k + w_y (the same for the anchors y^k_i),

    with a = `same`, b = `crossed` and v = `row_weights`. With a = b = v = 1 it is plain InfoNCE
    over K N pairs: what is special is who is in the batch, such as an edited image with its caption
    (generative negative mining, Sahin et al. 2024, arXiv 2311.03964) or a clip and its reverse
    (Bagad et al. 2023, Test of Time, arXiv 2301.02074, with w = (1, 1) and no temperature; TeminAL,
    arXiv 2408.09269). Where a row lacks one pair, its others stay. The loss of a model that knows
    nothing is the mean of log (N_k + Σ_(l ≠ k) (a + b (N_l - 1))) (metric `chance`).

    Args:
      pairs: K >= 2 pairs of views, such as ('image', 'text') and ('image@2', 'text@2').
      same: a, the weight of a row's own other pairs; 0 leaves them out.
      crossed: b, the weight of other rows' other pairs; 0 leaves them out.
      row_weights: v of the K pairs; 0 keeps a pair as negatives only. None for 1 each.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
      direction_weights: (w_x, w_y).
      duplicates: what pairs of different rows with one `id` are: 'negative', as in the papers, or
        'mask', left out of all sums. A row's own pairs are not among them.
      ids: labels that hold the id of each pair, for 'mask' where a row's pairs are of different
        things, as an image and its edited one; None for the row's `id`.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"), ("image@2", "text@2")),
        same: NonNegative = 1.0,
        crossed: NonNegative = 1.0,
        row_weights: tuple[NonNegative, ...] | None = None,
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        max_scale: Factor | None = 100.0,
        direction_weights: tuple[NonNegative, NonNegative] = (0.5, 0.5),
        duplicates: Literal["negative", "mask"] = "negative",
        ids: tuple[LabelRef, ...] | None = None,
    ):
        names = [name for pair in pairs for name in pair]
        if len(pairs) < 2 or len(set(names)) != len(names):
            raise TermError(
                "The term 'stacked_info_nce' needs at least two pairs, and no view twice, but "
                f"pairs={pairs!r}."
            )
        weights = row_weights or (1.0,) * len(pairs)
        if len(weights) != len(pairs) or not any(weights) or not any(direction_weights):
            raise TermError(
                "The term 'stacked_info_nce' needs a row weight for each pair and weights that are "
                f"not all 0, but has row_weights={row_weights} for {len(pairs)} pairs and "
                f"direction_weights={direction_weights}."
            )
        self.pairs, self.row_weights, self.direction_weights = pairs, weights, direction_weights
        if ids is not None and (len(ids) != len(pairs) or duplicates != "mask"):
            raise TermError(
                f"The term 'stacked_info_nce' has ids={ids} for {len(pairs)} pairs and duplicates="
                f"{duplicates!r}: give a label for each pair, and duplicates='mask'."
            )
        self.same, self.crossed, self.ids = same, crossed, ids
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)
        self.mask_duplicates = duplicates == "mask"

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None]:
        return self.temperature.log(), None

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        labels = self.ids or ("id",) * len(self.pairs)
        stack = [
            rows_of(self.name, pair, outputs, batch, fields=() if self.ids is None else (label,))
            for pair, label in zip(self.pairs, labels, strict=True)
        ]
        ids = [batch[label] if self.mask_duplicates else None for label in labels]
        sides = [
            [features(rows, side, index=True, ids=own) for side in (0, 1)]
            for rows, own in zip(stack, ids, strict=True)
        ]
        losses, chances, counts = [], [], []
        for k, (rows, weight) in enumerate(zip(stack, self.row_weights, strict=True)):
            if weight == 0:
                continue
            x, y = sides[k]
            others = [*sides[:k], *sides[k + 1 :]] if self.same or self.crossed else []
            further = [
                [Further(other[1 - side], self._crossed, self._log_weight) for other in others]
                for side in (0, 1)
            ]
            loss = cross_entropy(
                cosine,
                x,
                y,
                scale,
                (rows.unit[0] * rows.unit[1]).sum(-1),
                rows,
                plan=context.plan,
                direction_weights=self.direction_weights,
                further=further,
            )
            candidates = rows.count
            for other in (*stack[:k], *stack[k + 1 :]):
                found = self.same + self.crossed * (other.count - 1)
                candidates = candidates + jnp.where(other.count > 0, found, 0.0)
            counts.append(weight * rows.count)
            losses.append(counts[-1] * loss)
            chances.append(counts[-1] * jnp.log(jnp.maximum(candidates, 1.0)))
        total = sum_of(counts)
        total = jnp.where(total > 0, total, 1.0)
        return sum_of(losses) / total, {"scale": scale, "chance": sum_of(chances) / total}

    def _crossed(self, x: Features, y: Features) -> jax.Array:
        """Cosines with another pair's candidates; -inf where they have no weight."""
        own = same_example(x, y)
        counted = jnp.where(own, self.same > 0, self.crossed > 0)
        return jnp.where(counted, cosine(x, y), -jnp.inf)

    def _log_weight(self, x: Features, y: Features) -> jax.Array:
        same, crossed = (jnp.log(w) if w > 0 else 0.0 for w in (self.same, self.crossed))
        return jnp.where(same_example(x, y), same, crossed)

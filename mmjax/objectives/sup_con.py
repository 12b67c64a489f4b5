"""Supervised contrastive learning: all rows with the anchor's label are its positives."""

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
    rows_of,
    same_example,
    same_label,
    sum_of,
)
from mmjax.objectives.multi_view import check_views, stacked
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Factor


class SupCon(Term):
    """Supervised contrastive loss over one or more views of labelled examples.

    With all views of all valid examples as one set of rows z_a, and P(a) the other rows that have
    the label of a,

        L = mean_a [ log Σ_(b ≠ a) exp(z_a·z_b / τ)  -  mean_(p in P(a)) z_a·z_p / τ ],

    the mean over the anchors that have a positive; 0 if none has. Khosla et al. 2020 (arXiv
    2004.11362, equation 2, L_out). With every label different it is NT-Xent.

    Args:
      views: one or more modalities, or views `x`, `x@2`, ... of one.
      label: the field of the batch that holds the label, i32[B].
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
    """

    contrastive = True

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "image@2"),
        label: LabelRef = "label",
        temperature: Factor = 0.1,
        learn_temperature: bool = False,
    ):
        check_views("sup_con", views, least=1)
        self.views, self.label = views, label
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.views, outputs, batch, fields=(self.label,))
        x = {**stacked(rows), "label": batch[self.label]}
        count = len(self.views)

        def blocks(
            x: Features, y: Features, scale: jax.Array
        ) -> tuple[jax.Array, list[list[jax.Array]]]:
            """Scores [r, c] for each view of the rows and each of the columns, and what counts."""
            s = scale * jnp.einsum(
                "rld,cmd->lmrc",
                x["unit"],
                y["unit"],
                precision="highest",
                preferred_element_type=jnp.float32,
            )
            counted, same = both_valid(x, y), same_example(x, y)
            masks = [
                [
                    jnp.broadcast_to(counted & ~same if m == n else counted, same.shape)
                    for n in range(count)
                ]
                for m in range(count)
            ]
            return s, masks

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[tuple[jax.Array, ...], ...]:
            s, masks = blocks(x, y, scale)
            return tuple(
                tuple(jnp.where(masks[m][n], s[m, n], -jnp.inf) for n in range(count))
                for m in range(count)
            )

        def positives(
            x: Features, y: Features, scale: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array], ...]:
            s, masks = blocks(x, y, scale)
            same = same_label(x, y)
            tiles = []
            for m in range(count):
                kept = [same & mask for mask in masks[m]]
                total = sum_of(jnp.where(k, s[m, n], 0.0) for n, k in enumerate(kept))
                tiles.append((total, sum_of(k.astype(jnp.float32) for k in kept)))
            return tuple(tiles)

        plan = context.plan
        normalizers, _ = pairwise.logsumexp(score, x, x, scale, plan=plan, sides="rows")
        targets, _ = pairwise.sums(positives, x, x, scale, plan=plan, sides="rows")
        loss = anchors = jnp.zeros(())
        for of_view, (total, number) in zip(normalizers, targets, strict=True):
            has = number > 0  # and so it has a finite normalizer
            everything = jax.nn.logsumexp(jnp.where(has, jnp.stack(of_view), 0.0), axis=0)
            values = everything - total / jnp.maximum(number, 1.0)
            loss = loss + jnp.where(has, values, 0.0).sum()
            anchors = anchors + has.sum(dtype=jnp.float32)
        return loss / jnp.maximum(anchors, 1.0), {"scale": scale}

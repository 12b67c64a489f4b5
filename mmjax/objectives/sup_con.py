"""Supervised contrastive learning: rows of one label, or with alike sets, are positives."""

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
from mmjax.objectives.errors import TermError
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

    With `sets` a positive counts by how alike the sets of two examples are, and the mean over P(a)
    is the weighted mean over all b ≠ a, with the weights

        f_ab = mean_k |A_ak ∩ A_bk| / |A_ak ∪ A_bk|,

    the Jaccard index of each of the sets k, 0 where both are empty; other views of the anchor's own
    example weigh 1. He et al. 2022 (arXiv 2209.06638, SPACE-2, equation 4): the sets are nodes and
    paths of an annotated tree, and an example without any annotation is contrasted by itself.

    Args:
      views: one or more modalities, or views `x`, `x@2`, ... of one.
      label: the field of the batch that holds the label, i32[B]; not read where there are `sets`.
      sets: fields of the batch, each f32[B, K] of 0 and 1, with K of its own: views of type 'array'
        with tower=False.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
    """

    contrastive = True

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "image@2"),
        label: LabelRef = "label",
        sets: tuple[LabelRef, ...] = (),
        temperature: Factor = 0.1,
        learn_temperature: bool = False,
    ):
        check_views("sup_con", views, least=1)
        self.views, self.label, self.sets = views, label, tuple(sets)
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.views, outputs, batch, fields=self.sets or (self.label,))
        x = {**stacked(rows), **self._annotated(batch)}
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
            alike = self._alike(x, y)
            tiles = []
            for m in range(count):
                weights = [jnp.where(mask, alike, 0.0) for mask in masks[m]]
                total = sum_of(
                    w * jnp.where(mask, s[m, n], 0.0)
                    for n, (w, mask) in enumerate(zip(weights, masks[m], strict=True))
                )
                tiles.append((total, sum_of(weights)))
            return tuple(tiles)

        plan = context.plan
        normalizers, _ = pairwise.logsumexp(score, x, x, scale, plan=plan, sides="rows")
        targets, _ = pairwise.sums(positives, x, x, scale, plan=plan, sides="rows")
        loss = anchors = jnp.zeros(())
        for of_view, (total, number) in zip(normalizers, targets, strict=True):
            has = number > 0  # and so it has a finite normalizer
            everything = jax.nn.logsumexp(jnp.where(has, jnp.stack(of_view), 0.0), axis=0)
            values = everything - total / jnp.where(has, number, 1.0)
            loss = loss + jnp.where(has, values, 0.0).sum()
            anchors = anchors + has.sum(dtype=jnp.float32)
        return loss / jnp.maximum(anchors, 1.0), {"scale": scale}

    def _annotated(self, batch: Batch) -> Features:
        """What the weights of pairs are made of, of each row."""
        if not self.sets:
            return {"label": batch[self.label]}
        for name in self.sets:
            if batch[name].ndim != 2:
                raise TermError(
                    f"The term {self.name!r} has sets={self.sets!r}, but {name!r} is of shape "
                    f"{batch[name].shape}; it should be f32[B, K] of 0 and 1."
                )
        return {f"set {k}": jnp.float32(batch[name]) for k, name in enumerate(self.sets)}

    def _alike(self, x: Features, y: Features) -> jax.Array:
        """How much a pair of rows counts as positive, f32[r, c]."""
        if not self.sets:
            return same_label(x, y).astype(jnp.float32)
        indices = (jaccard(x[f"set {k}"], y[f"set {k}"]) for k in range(len(self.sets)))
        return jnp.where(same_example(x, y), 1.0, sum_of(indices) / len(self.sets))


def jaccard(a: jax.Array, b: jax.Array) -> jax.Array:
    """|A ∩ B| / |A ∪ B|, f32[r, c], of rows f32[r, K] and f32[c, K] of 0 and 1; 0 of empty sets."""
    both = jnp.einsum("rk,ck->rc", a, b, precision="highest")
    either = a.sum(-1)[:, None] + b.sum(-1)[None, :] - both
    return both / jnp.maximum(either, 1.0)

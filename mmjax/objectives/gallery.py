"""Softmax cross-entropy over a gallery: class names, a catalogue, the items of a bundle."""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Layer,
    Loss,
    Outputs,
    Rows,
    Term,
    features,
    gallery_of,
    rows_of,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import GalleryRef, LabelRef, ViewRef
from mmjax.schema.bounds import Factor

Scalars = tuple[jax.Array, jax.Array]


class GalleryNCE(Term):
    """Cross-entropy of the right entries of a gallery, a softmax over all of them.

    For unit rows x_i, unit entries w_c of the gallery and scores S_ic = x_i·w_c / τ,

        L = mean_i [ lse_c S_ic - Σ_c p_ic S_ic ],

    with p_i uniform over the entries that are right for row i. A `label` i32[B] is the id of the
    one that is: prompts of class names as a classifier (Zhou et al. 2022, CoOp, arXiv 2109.01134,
    equation 2; Khattak et al. 2023, MaPLe, arXiv 2210.03117; Guo and Gu 2025, MMRL, arXiv
    2503.08497, equation 7). With several right ones it is the multinomial likelihood of a set, such
    as the items of a bundle, usually of `layer='raw'` and τ = 1 (Ma et al. 2024, CLHE, arXiv
    2310.18770): a `label` i32[B, K] lists their ids (view `label_set`), anything below 0 none; one
    f32[B, K] has a number above 0 in column c where the entry with the id c is right. Rows without
    a right entry do not count; the metric `outside` is their share.

    Args:
      query: view of the rows.
      gallery: name of the entries, of `data.galleries`.
      label: the field of the batch that says which are right, see above.
      layer: `unit` or `raw`, of rows and entries.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        query: ViewRef = "image",
        gallery: GalleryRef,
        label: LabelRef = "label",
        layer: Layer = "unit",
        temperature: Factor = 0.01,
        learn_temperature: bool = False,
        max_scale: Factor | None = 100.0,
    ):
        self.query, self.gallery, self.label, self.layer = query, gallery, label, layer
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None]:
        return self.temperature.log(), None

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(
            self.name, (self.query,), outputs, batch, layer=self.layer, fields=(self.label,)
        )
        entries = gallery_of(self.name, self.gallery, context)
        unit, label = getattr(entries.embedding, self.layer), batch[self.label]
        if unit.shape[1] != rows.unit[0].shape[1]:
            raise TermError(
                f"The term {self.name!r} compares {self.query!r} of {rows.unit[0].shape[1]} "
                f"numbers with the gallery {self.gallery!r} of {unit.shape[1]}; give both towers "
                "heads of one size."
            )
        if label.ndim > 2:
            raise TermError(
                f"The term {self.name!r} needs labels [B] or [B, K], but {self.label!r} has the "
                f"shape {label.shape}."
            )
        x = {**features(rows, 0), "label": label}
        y = {"unit": unit, "id": entries.id, "valid": entries.valid}
        scale = self.temperature()

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            return jnp.where(
                y["valid"][None, :], scale * similarity(x["unit"], y["unit"]), -jnp.inf
            )

        def right(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
            counted = _is_right(x, y)
            s = scale * similarity(x["unit"], y["unit"])
            return jnp.where(counted, s, 0.0), counted.astype(jnp.float32)

        plan = context.plan
        normalizer, _ = pairwise.logsumexp(score, x, y, scale, plan=plan, sides="rows")
        (total, count), _ = pairwise.sums(right, x, y, scale, plan=plan, sides="rows")
        has = count > 0
        valid = has if rows.valid is None else has & rows.valid
        kept = Rows(rows.unit, valid, valid.sum(dtype=jnp.float32))
        loss = kept.mean(normalizer - total / jnp.maximum(count, 1.0))
        outside = rows.mean(1.0 - has.astype(jnp.float32))
        return loss, {"scale": scale, "outside": outside}


def _is_right(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: entries that are right for a row."""
    if x["label"].ndim == 1:
        same: jax.Array = x["label"][:, None] == y["id"][None, :]
        return same & y["valid"][None, :]
    if jnp.issubdtype(x["label"].dtype, jnp.integer):
        listed = (x["label"][:, :, None] == y["id"][None, None, :]).any(1)
        return listed & y["valid"][None, :]
    known = (y["id"] >= 0) & (y["id"] < x["label"].shape[1]) & y["valid"]
    chosen = jnp.take(x["label"], jnp.clip(y["id"], 0, x["label"].shape[1] - 1), axis=1)
    return (chosen > 0) & known[None, :]

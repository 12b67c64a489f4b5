"""1-to-K contrastive loss: an example of one modality with K positives."""

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
    random_key,
    rows_of,
    same_example,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, NonNegative

Sample = Literal["all", "batch", "row"]


class OneToK(Term):
    """1-to-K contrast: an image against the K translations of its caption together.

    For unit embeddings x_i of the anchor and y_ik of its K counterparts, S_{j,ik} = x_j·y_ik / τ,

        A = mean_i Σ_k [ lse_{j,l} S_{i,jl} - S_{i,ik} ],
        B = mean_{i,k} [ lse_j S_{j,ik} - S_{i,ik} ],
        L = (A + w B) / 2K.

    Nie et al. 2024 (arXiv 2406.18254, CCRK), whose code has w = 1; w = K weighs the means of both
    directions alike. The K positives of a row share its probability, so A/K >= ln K: metric
    `above_floor` is L - (ln K)/2. A row counts if it has the anchor and all counterparts.

    Scores of the K counterparts are K matrices of one pass of the engine, so that nothing moves
    between devices to join them.

    Args:
      anchor: a modality.
      others: its K counterparts.
      sample: which counterparts a step sees, `all` or one, the same for the `batch` or another for
        each `row`; with one, K is 1 and L is InfoNCE.
      other_positives: whether the other positives of a row stay in its denominator, as published.
      t2i_weight: w.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale, min_scale: bounds of a learned 1/τ; as published, τ is in [0.001, 0.5].
    """

    contrastive = True

    def __init__(
        self,
        *,
        anchor: ViewRef = "image",
        others: tuple[ViewRef, ...],
        sample: Sample = "all",
        other_positives: bool = True,
        t2i_weight: NonNegative = 1.0,
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        max_scale: Factor | None = 1000.0,
        min_scale: Factor | None = 2.0,
    ):
        if not others or len({anchor, *others}) != 1 + len(others):
            raise TermError(
                f"The term 'one_to_k' needs an anchor and other modalities, each once, but "
                f"anchor={anchor!r} and others={others!r}."
            )
        self.anchor, self.others, self.sample = anchor, others, sample
        self.other_positives, self.t2i_weight = other_positives, t2i_weight
        self.temperature = Temperature(
            temperature, learned=learn_temperature, max_scale=max_scale, min_scale=min_scale
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, (self.anchor, *self.others), outputs, batch)
        x, y = {"unit": rows.unit[0]}, {"unit": self._chosen(rows.unit[1:], context)}
        k = y["unit"].shape[1]
        for tree in (x, y):
            tree["index"] = jnp.arange(rows.unit[0].shape[0], dtype=jnp.int32)
            if rows.valid is not None:
                tree["valid"] = rows.valid

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            products = jnp.einsum(
                "rd,ckd->krc",
                x["unit"],
                y["unit"],
                precision="highest",
                preferred_element_type=jnp.float32,
            )
            scores = jnp.where(both_valid(x, y), scale * products, -jnp.inf)
            return tuple(scores[i] for i in range(k))

        def negatives(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            own = same_example(x, y)
            return tuple(jnp.where(own, -jnp.inf, tile) for tile in score(x, y, scale))

        by_row, by_col = pairwise.logsumexp(score, x, y, scale, plan=context.plan)
        positive = scale * jnp.einsum("id,ikd->ik", x["unit"], y["unit"], precision="highest")
        if self.other_positives or k == 1:
            norm = _together(jnp.stack(by_row, axis=1))[:, None]
        else:
            others, _ = pairwise.logsumexp(negatives, x, y, scale, plan=context.plan, sides="rows")
            norm = jnp.logaddexp(_together(jnp.stack(others, axis=1))[:, None], positive)
        to_others = rows.mean((norm - positive).sum(1))
        to_anchor = rows.mean((jnp.stack(by_col, axis=1) - positive).mean(1))
        loss = (to_others + self.t2i_weight * to_anchor) / (2 * k)
        metrics = {"scale": scale}
        if self.other_positives:
            metrics["above_floor"] = loss - jnp.log(k) / 2
        return loss, metrics

    def _chosen(self, units: tuple[jax.Array, ...], context: Context) -> jax.Array:
        """f32[B, K, D], or f32[B, 1, D] of one counterpart."""
        stacked = jnp.stack(units, axis=1)
        if self.sample == "all":
            return stacked
        key, (b, k, _) = random_key(self.name, context), stacked.shape
        which = jax.random.randint(key, (b if self.sample == "row" else 1,), 0, k)
        which = jnp.broadcast_to(which, (b,))
        return jnp.take_along_axis(stacked, which[:, None, None], axis=1)


def _together(parts: jax.Array) -> jax.Array:
    """log-sum-exp over axis 1, f32[B, K] -> f32[B]; -inf, without a gradient, where all are."""
    empty = (parts == -jnp.inf).all(1)
    safe = jnp.where(empty[:, None], 0.0, parts)
    return jnp.where(empty, -jnp.inf, jax.nn.logsumexp(safe, axis=1))

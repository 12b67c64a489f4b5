"""InfoNCE with soft targets: cross-entropy against similarities of a reference."""

import itertools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.model.embedding import unit_norm
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Layer,
    Loss,
    Outputs,
    Term,
    both_valid,
    features,
    mean_over,
    rows_of,
    same_label,
    similarity,
    sum_of,
)
from mmjax.objectives.contrastive import check_directions, check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegative

WeightFunction = Literal["softmax", "affine", "relu", "labels"]


class SoftInfoNCE(Term):
    """InfoNCE with soft targets from the similarities of a reference.

    For unit embeddings x_i, y_j with S_ij = x_i·y_j / τ, and weights w_ij >= 0 of a reference,

        L = w_x mean_i [ lse_j S_ij - Σ_j w_ij S_ij / Σ_j w_ij ]  +  w_y (the same over columns),

    where a direction that `soft` leaves out has the target S_ii. The weights are, for reference
    embeddings r with cosines c_ij = r_i·r_j,

        softmax: exp(c_ij / τ');   affine: (1 + c_ij) / 2;   relu: max(c_ij, 0);
        labels: 1 if rows i and j have one label, else 0 (c is not needed).

    The diagonal counts as any other pair. With `divergence='reverse'` a direction is not that
    cross-entropy but the divergence of the softmax from the targets, with the smoothing ε,

        KL(p_i || w_i) = Σ_j p_ij ( log p_ij - log( w_ij / Σ_j w_ij + ε ) ),  p_i = softmax S_i,

    which spends its force on negatives that are taken for positives. With them the term is

    - the continuously weighted loss of Srinivasa et al. 2023 (arXiv 2309.14580, CWCL): affine
      weights of a frozen modality, which is also the anchor of the one direction that is soft;
    - the soft contrastive loss of Burdisso et al. 2024 (arXiv 2410.18481, Dialog2Flow): softmax of
      embedded names of labels; and its hard baseline: labels;
    - SoftClip of Singhal et al. 2024 (arXiv 2409.17777, M3CoL): softmax of the second modality
      against itself, without stopping the gradient;
    - cross-modal supervised contrastive loss: labels;
    - the similarity distribution matching of Jiang and Ye 2023 (arXiv 2303.12501, IRRA, equations
      4 to 6): labels, reverse, direction weights (1, 1), a fixed temperature of 0.02.

    Weights are symmetric, so those of columns are those of rows, normalised by the column. With
    `projection` x and y are the unit vectors of a head that the term owns, so that several terms
    can share an encoder, as in Dialog2Flow's joint training.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      reference: a modality with a tower for the similarities, `second` for the second of each
        pair, or a field of labels.
      weights: which function.
      reference_temperature: τ' of softmax weights.
      stop_gradient: whether the reference is a constant.
      soft: the directions with soft targets, `both`, `rows` or `cols`; a pair's first is the rows.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
      direction_weights: (w_x, w_y).
      divergence: `forward`, the cross-entropy, or `reverse`, for which both directions are soft.
      epsilon: ε, of the reverse one.
      projection: widths of linear layers without biases, with ReLU between them, on the embeddings
        before normalisation: their size, those of layers between, and that of x and y. None: ().
      rngs: for the projection.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        reference: str = "image",
        weights: WeightFunction = "softmax",
        reference_temperature: Factor = 0.1,
        stop_gradient: bool = True,
        soft: Literal["both", "rows", "cols"] = "both",
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        max_scale: Factor | None = 100.0,
        direction_weights: tuple[NonNegative, NonNegative] = (0.5, 0.5),
        divergence: Literal["forward", "reverse"] = "forward",
        epsilon: Factor = 1e-8,
        projection: tuple[Count, ...] = (),
        rngs: nnx.Rngs,
    ):
        check_pairs("soft_info_nce", pairs)
        if len(projection) == 1:
            raise TermError(
                f"projection={projection} of the term 'soft_info_nce' has to be empty or at least "
                "two widths."
            )
        check_directions(direction_weights)
        if divergence == "reverse" and soft != "both":
            raise TermError(
                f"The term 'soft_info_nce' with divergence='reverse' and soft={soft!r}: a target "
                "that is one pair has no divergence from it; use soft='both'."
            )
        self.reverse, self.epsilon = divergence == "reverse", epsilon
        self.pairs, self.reference, self.weights = pairs, reference, weights
        self.reference_scale, self.stop_gradient = 1 / reference_temperature, stop_gradient
        self.soft = (soft != "cols", soft != "rows")
        self.direction_weights = direction_weights
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)
        he = nnx.initializers.he_normal()
        self.projection = nnx.List(
            nnx.Linear(a, b, use_bias=False, kernel_init=he, rngs=rngs)
            for a, b in itertools.pairwise(projection)
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        losses = [self._pair(pair, outputs, batch, scale, context.plan) for pair in self.pairs]
        return mean_over(losses), {"scale": scale}

    def _pair(
        self,
        pair: tuple[str, str],
        outputs: Outputs,
        batch: Batch,
        scale: jax.Array,
        plan: pairwise.Plan,
    ) -> jax.Array:
        reference = pair[1] if self.reference == "second" else self.reference
        # As a field, for embeddings of the reference may have another size.
        layer: Layer = "raw" if len(self.projection) else "unit"
        rows = rows_of(self.name, pair, outputs, batch, layer=layer, fields=(reference,))
        if len(self.projection):
            rows = rows._replace(unit=tuple(map(self._project, rows.unit)))
        x, y = (features(rows, side) for side in (0, 1))
        if self.weights == "labels":
            x["label"] = y["label"] = batch[reference]
        else:
            (unit,) = rows_of(self.name, (reference,), outputs, batch).unit
            x["reference"] = y["reference"] = unit

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            return jnp.where(both_valid(x, y), scale * similarity(x["unit"], y["unit"]), -jnp.inf)

        def weighted(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
            s = jnp.where(both_valid(x, y), scale * similarity(x["unit"], y["unit"]), 0.0)
            w = jnp.where(both_valid(x, y), self._weights(x, y), 0.0)
            return w * s, w

        loss_weights = self.direction_weights
        wanted = [weight > 0 for weight in loss_weights]
        normalizers = pairwise.logsumexp(score, x, y, scale, plan=plan, sides=_sides(wanted))
        if self.reverse:
            mass = pairwise.sums(self._weight_tile, x, y, plan=plan, sides=_sides(wanted))
            parts = self._divergences(x, y, scale, normalizers, mass, _sides(wanted), plan)
            return sum_of(
                weight * rows.mean(part)
                for weight, part in zip(loss_weights, parts, strict=True)
                if part is not None
            )
        soft = [want and is_soft for want, is_soft in zip(wanted, self.soft, strict=True)]
        sums: tuple[Any, Any] = (None, None)
        if any(soft):
            sums = pairwise.sums(weighted, x, y, scale, plan=plan, sides=_sides(soft))
        loss = jnp.zeros(())
        for side in (0, 1):
            if not wanted[side]:
                continue
            if soft[side]:
                total, mass = sums[side]
                # Relu weights of a row that is valid hold its own, 1; so only masked rows have 0.
                target = total / jnp.where(mass > 0, mass, 1.0)
            else:
                target = scale * (rows.unit[0] * rows.unit[1]).sum(-1)
            loss = loss + loss_weights[side] * rows.mean(normalizers[side] - target)
        return loss

    def _weight_tile(self, x: Features, y: Features, _: Any) -> jax.Array:
        return jnp.where(both_valid(x, y), self._weights(x, y), 0.0)

    def _divergences(
        self,
        x: Features,
        y: Features,
        scale: jax.Array,
        normalizers: tuple[Any, Any],
        mass: tuple[Any, Any],
        sides: pairwise.Sides,
        plan: pairwise.Plan,
    ) -> tuple[jax.Array | None, jax.Array | None]:
        """KL(softmax || targets) of each row and of each column, f32[B], or None."""
        x, y = dict(x), dict(y)
        for side, lse, total in zip((x, y), normalizers, mass, strict=True):
            if lse is not None:
                # Rows that are not valid have neither; their own pairs count for nothing.
                side["lse"] = jnp.where(lse > -jnp.inf, lse, 0.0)
                side["mass"] = jnp.where(total > 0, total, 1.0)

        def tile(x: Features, y: Features, scale: jax.Array) -> list[jax.Array]:
            valid = both_valid(x, y)
            s = scale * similarity(x["unit"], y["unit"])
            w = jnp.where(valid, self._weights(x, y), 0.0)
            found = []
            for side, axis in ((x, 1), (y, 0)):
                if "lse" in side:
                    log_p = jnp.where(valid, s - jnp.expand_dims(side["lse"], axis), 0.0)
                    log_q = jnp.log(w / jnp.expand_dims(side["mass"], axis) + self.epsilon)
                    found.append(jnp.where(valid, jnp.exp(log_p) * (log_p - log_q), 0.0))
            return found

        by_row, by_col = pairwise.sums(tile, x, y, scale, plan=plan, sides=sides)
        return by_row and by_row[0], by_col and by_col[-1]

    def _project(self, x: jax.Array) -> jax.Array:
        takes = self.projection[0].in_features
        if takes != x.shape[-1]:
            raise TermError(
                f"projection of the term {self.name!r} begins with {takes}, but embeddings have "
                f"{x.shape[-1]} numbers: begin with that."
            )
        for i, layer in enumerate(self.projection):
            x = layer(jax.nn.relu(x) if i else x)
        return unit_norm(x)

    def _weights(self, x: Features, y: Features) -> jax.Array:
        if self.weights == "labels":
            return same_label(x, y).astype(jnp.float32)
        a, b = x["reference"], y["reference"]
        if self.stop_gradient:
            a, b = jax.lax.stop_gradient((a, b))
        cosine = similarity(a, b)
        if self.weights == "affine":
            return 0.5 + 0.5 * cosine
        if self.weights == "relu":
            return jnp.maximum(cosine, 0.0)
        # Cosines are at most 1: with that taken off, nothing overflows and a row has at least 1.
        return jnp.exp(self.reference_scale * (cosine - 1.0))


def _sides(wanted: list[bool]) -> pairwise.Sides:
    return "both" if all(wanted) else "rows" if wanted[0] else "cols"

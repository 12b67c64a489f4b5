"""Mixup of embeddings: linear, or geodesic (along the arc between two unit vectors).

Two ways to mix: `linear`, b a + (1 - b) a' of embeddings before normalisation, as in Singhal et al.
2024 (arXiv 2409.17777, M3CoL); and `geodesic`, along the great circle of unit vectors, as in Oh et
al. 2023 (arXiv 2203.03897, m²-Mix and its relatives).
"""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.data import mixing
from mmjax.model.embedding import unit_norm
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Layer,
    Loss,
    Outputs,
    Rows,
    Term,
    both_valid,
    features,
    mean_over,
    random_key,
    rows_of,
    same_example,
    similarity,
    sum_of,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, Fraction, Positive


def slerp(x: jax.Array, y: jax.Array, share: jax.Array, eps: float = 1e-4) -> jax.Array:
    """The unit vector on the arc from y (share 0) to x (share 1), row by row.

    With the angle θ between them, x sin(s θ)/sin θ + y sin((1-s) θ)/sin θ. Where sin θ < eps the
    arc has no direction (or every one), and the straight mixture is normalised instead.

    Args:
      x, y: f32[B, D], unit rows.
      share: s in [0, 1], f32[] or f32[B].
      eps: the smallest sine.
    """
    share = jnp.broadcast_to(share, x.shape[:1])[:, None]
    cosine = (x * y).sum(-1, keepdims=True)
    straight = 1 - cosine**2 < eps**2
    # Where the arc is not used its gradient, infinite there, must not be computed either.
    angle = jnp.arccos(jnp.where(straight, 0.0, cosine))
    sine = jnp.sin(angle)
    arc = (jnp.sin(share * angle) * x + jnp.sin((1 - share) * angle) * y) / sine
    line = unit_norm(share * x + (1 - share) * y)
    return jnp.where(straight, line, arc)


class MixupNCE(Term):
    """InfoNCE with mixup: a mixture of two examples in one modality matches both in the other.

    Row i of the first modality of a pair is mixed with row π(i): x~_i of x_i, with share b_i, and
    x_π(i). Against the other modality, S_ij = x~_i·y_j / τ, it has the targets T_ii += b_i and
    T_iπ(i) += 1 - b_i:

        L = ½ mean_i [ lse_j S_ij - Σ_j T_ij S_ij ]  +  ½ mean_j [ c_j lse_i S_ij - Σ_i T_ij S_ij ],

    with the mass c_j = Σ_i T_ij of a column, which is not normalised. With `mix='both'` the second
    modality is mixed by the same shares and rows, and T is then I + Π with rows that sum to 2.

    - M3Co, of M3CoL (Singhal et al. 2024, arXiv 2409.17777): the defaults; the pairs are both
      orders of two modalities, or the cycle of more; the paper sums them, this is their mean.
    - BiMixCo, of MindEye (Scotti et al. 2023, arXiv 2305.18274): `mix='inputs'`, where the inputs
      of the first modality were mixed before its tower, as `data.mix_inputs` says and draws it.
    - V-Mix and L-Mix of Oh et al. 2023 (arXiv 2203.03897): `mixing='geodesic'`,
      `partner='reverse'`, `each_row=False`, `mix_probability=1`; and VL-Mix with `mix='both'`.

    A row whose partner is not valid is not mixed.

    Args:
      pairs: pairs of modalities; the loss is the mean over them, with draws of their own.
      mix: `first` or `both` of a pair; or `inputs`, what was mixed before the towers, and none of
        the five options that follow is read.
      mixing: `linear` or `geodesic`.
      partner: π, a random `permutation` or the batch in `reverse`.
      alpha: b ~ Beta(alpha, alpha).
      each_row: whether every row draws its own b, or the batch one.
      mix_probability: a row is mixed with this probability, and otherwise b = 1.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"), ("text", "image")),
        mix: Literal["first", "both", "inputs"] = "first",
        mixing: Literal["linear", "geodesic"] = "linear",
        partner: Literal["permutation", "reverse"] = "permutation",
        alpha: Positive = 0.15,
        each_row: bool = True,
        mix_probability: Fraction = 0.5,
        temperature: Factor = 0.1,
        learn_temperature: bool = False,
    ):
        check_pairs("mixup_nce", pairs)
        self.pairs, self.mix, self.mixing, self.partner = pairs, mix, mixing, partner
        self.alpha, self.each_row, self.mix_probability = alpha, each_row, mix_probability
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def draw(self, key: jax.Array, number: int, size: int) -> tuple[jax.Array, jax.Array]:
        """The mixture of the pair `number`: shares b f32[size] and partners π i32[size]."""
        shares, chosen, order = jax.random.split(jax.random.fold_in(key, number), 3)
        b = jax.random.beta(shares, self.alpha, self.alpha, (size,) if self.each_row else ())
        mixed = jax.random.bernoulli(chosen, self.mix_probability, (size,))
        partner = jnp.arange(size, dtype=jnp.int32)[::-1]
        if self.partner == "permutation":
            partner = jax.random.permutation(order, size)
        return jnp.where(mixed, b, 1.0), partner

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale, key = self.temperature(), random_key(self.name, context)
        losses = [
            self._pair(pair, number, outputs, batch, scale, key, context.plan)
            for number, pair in enumerate(self.pairs)
        ]
        return mean_over(losses), {"scale": scale}

    def _pair(
        self,
        pair: tuple[str, str],
        number: int,
        outputs: Outputs,
        batch: Batch,
        scale: jax.Array,
        key: jax.Array,
        plan: pairwise.Plan,
    ) -> jax.Array:
        inputs = self.mix == "inputs"
        layer: Layer = "raw" if self.mixing == "linear" and not inputs else "unit"
        rows = rows_of(self.name, pair, outputs, batch, layer=layer)
        size = len(rows.unit[0])
        share, partner = self._told(pair, batch) if inputs else self.draw(key, number, size)
        valid = jnp.ones(size, bool) if rows.valid is None else rows.valid
        has_partner = valid & jnp.take(valid, partner)
        share = share if inputs else jnp.where(has_partner, share, 1.0)
        first = rows.unit[0] if inputs else self._mixed(rows.unit[0], share, partner)
        if self.mix == "both":
            second = self._mixed(rows.unit[1], share, partner)
            own, other = jnp.ones(size), jnp.where(has_partner, 1.0, 0.0)
        else:
            second = unit_norm(rows.unit[1]) if layer == "raw" else rows.unit[1]
            # The input may hold a row that lacks the other modality, whose part has no target.
            own, other = share, jnp.where(has_partner, 1.0 - share, 0.0)
        rows = rows._replace(unit=(first, second))
        x, y = (features(rows, side) for side in (0, 1))

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            return jnp.where(both_valid(x, y), scale * similarity(x["unit"], y["unit"]), -jnp.inf)

        by_row, by_col = pairwise.logsumexp(score, x, y, scale, plan=plan)
        target = scale * (
            own * (first * second).sum(-1)
            + other * (first * jnp.take(second, partner, axis=0)).sum(-1)
        )
        row_mass = own + other
        other = jnp.where(valid, other, 0.0)  # a row that is not there gives no mass
        column_mass = own + jnp.zeros(size).at[partner].add(other)
        loss = rows.mean(row_mass * _finite(by_row, rows) - target)
        return (loss + rows.mean(column_mass * _finite(by_col, rows) - target)) / 2

    def _told(self, pair: tuple[str, str], batch: Batch) -> tuple[jax.Array, jax.Array]:
        """Shares and partners of inputs that are mixed already."""
        first = pair[0]
        if mixing.shares_of(first) not in batch:
            raise TermError(
                f"The term {self.name!r} has mix='inputs', but the inputs {first!r} are not mixed: "
                f"give 'data.mix_inputs' the key {first!r}."
            )
        return batch[mixing.shares_of(first)], batch[mixing.partners_of(first)]

    def _mixed(self, values: jax.Array, share: jax.Array, partner: jax.Array) -> jax.Array:
        others = jnp.take(values, partner, axis=0)
        if self.mixing == "geodesic":
            return jnp.where(share[:, None] == 1, values, slerp(values, others, share))
        return unit_norm(share[:, None] * values + (1 - share[:, None]) * others)


class GeodesicNegatives(Term):
    """InfoNCE with geodesic mixup of the other pairs as hard negatives.

    With M_j = slerp(x_j, y_j; λ) and one λ ~ Beta(alpha, alpha) for the batch,

        L = mean_i [ log( exp(x_i·y_i / τ) + Σ_(j ≠ i) exp(x_i·M_j / τ) ) - x_i·y_i / τ ]
            + (the same with y_i in place of x_i).

    Oh et al. 2023 (arXiv 2203.03897), m²-Mix as in the authors' code, where the two directions are
    summed and τ = 0.07 differs from the other term's 0.01. Such negatives are harder than those of
    either modality while a gap lies between them. The gradient flows through the mixtures.

    Args:
      pairs: pairs of modalities; the loss is the mean over them, with draws of their own.
      alpha: of the Beta distribution.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        alpha: Positive = 0.5,
        temperature: Factor = 0.07,
        learn_temperature: bool = False,
    ):
        check_pairs("geodesic_negatives", pairs)
        self.pairs, self.alpha = pairs, alpha
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def draw(self, key: jax.Array, number: int) -> jax.Array:
        """λ of the pair `number`."""
        return jax.random.beta(jax.random.fold_in(key, number), self.alpha, self.alpha)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale, key = self.temperature(), random_key(self.name, context)

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            negative = both_valid(x, y) & ~same_example(x, y)
            return tuple(
                jnp.where(negative, scale * similarity(x[side], y["unit"]), -jnp.inf)
                for side in ("unit", "second")
            )

        losses = []
        for number, pair in enumerate(self.pairs):
            rows = rows_of(self.name, pair, outputs, batch)
            mixed = slerp(rows.unit[0], rows.unit[1], self.draw(key, number))
            x = {**features(rows, 0, index=True), "second": rows.unit[1]}
            y = features(rows._replace(unit=(mixed,)), 0, index=True)
            negatives, _ = pairwise.logsumexp(score, x, y, scale, plan=context.plan, sides="rows")
            positive = scale * (rows.unit[0] * rows.unit[1]).sum(-1)
            losses.append(
                sum_of(rows.mean(jnp.logaddexp(n, positive) - positive) for n in negatives)
            )
        return mean_over(losses), {"scale": scale}


def _finite(values: jax.Array, rows: Rows) -> jax.Array:
    """Log-sum-exps of valid rows; 0 in the others, where -inf times a mass would be NaN."""
    return values if rows.valid is None else jnp.where(rows.valid, values, 0.0)

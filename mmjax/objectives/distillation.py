"""Distillation of the similarity matrix of a frozen teacher, for continual learning."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

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
    rows_of,
    same_example,
    similarity,
    sum_of,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, Fraction

# Cosines of float32 unit vectors that differ by no more are equal: those of two equal rows may, at
# two places of a batch.
TIE = 1e-6


constant = jax.lax.stop_gradient


def similarities(x: Features, y: Features) -> tuple[jax.Array, jax.Array]:
    """Inner products of the towers' and, as constants, of the teacher's embeddings."""
    return similarity(x["unit"], y["unit"]), constant(similarity(x["taught"], y["taught"]))


class Both(NamedTuple):
    """Rows of a batch as the towers and as the teacher embed them."""

    own: Rows
    taught: Rows

    def features(self, side: int) -> dict[str, jax.Array]:
        """Row features for the pairwise engine; those of the teacher are constants."""
        tree = features(self.own, side, index=True)
        return {**tree, "taught": constant(self.taught.unit[side])}


def both_of(
    term: str,
    pair: tuple[str, str],
    outputs: Outputs,
    batch: Batch,
    context: Context,
    layer: Layer = "unit",
) -> Both:
    """A pair of modalities as the towers and as the teacher see it.

    Raises:
      TermError: without a teacher that embeds both.
    """
    if context.teacher is None or not set(pair) <= set(context.teacher):
        raise TermError(
            f"The term {term!r} needs a teacher that embeds {' and '.join(map(repr, pair))}: set "
            f"teacher={{'type': 'frozen', 'views': {tuple(pair)!r}}}."
        )
    return Both(
        rows_of(term, pair, outputs, batch, layer=layer),
        rows_of(term, pair, context.teacher, batch, layer=layer),
    )


class HybridDistillation(Term):
    """Hybrid contrastive distillation (HyCD): half hard targets, half the teacher's.

    With logits S_ij = s x_i·y_j / T of the towers and G_ij of the teacher, from embeddings that are
    raw or unit vectors, and targets q_i = α onehot(i) + (1 - α) softmax(G_i),

        L = T²/2 [ mean_i KL(q_i || softmax(S_i)) + (the same over columns) ].

    Yamaguchi et al. 2025 (arXiv 2504.12717, CLIP-Refine); T = 1, α = 1/2, raw embeddings, whose
    products are as large as the scaled cosines of the CLIP that it starts from. α = 0 is plain
    self-distillation, α = 1 InfoNCE at a fixed scale. Streamed in two passes: the normalisers, then
    the teacher's mean of S and G, in which its probabilities are known.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      alpha: α in [0, 1].
      temperature: T.
      layer: `raw`, as the heads give them, or `unit`.
      scale: s; for unit vectors, the 1/τ that the teacher was trained with.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        alpha: Fraction = 0.5,
        temperature: Factor = 1.0,
        layer: Literal["raw", "unit"] = "raw",
        scale: Factor = 1.0,
    ):
        check_pairs("hybrid_distill", pairs)
        self.pairs, self.alpha, self.layer = pairs, alpha, layer
        self.factor, self.temperature = scale / temperature, temperature

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        losses = []
        for pair in self.pairs:
            both = both_of(self.name, pair, outputs, batch, context, self.layer)
            losses.append(self._pair(both, context.plan))
        return mean_over(losses), {}

    def _pair(self, both: Both, plan: pairwise.Plan) -> jax.Array:
        factor, alpha = self.factor, self.alpha
        x, y = both.features(0), both.features(1)

        def logits(x: Features, y: Features, factor: jax.Array) -> tuple[jax.Array, ...]:
            counted = both_valid(x, y)
            return tuple(jnp.where(counted, factor * s, -jnp.inf) for s in similarities(x, y))

        def expected(x: Features, y: Features, factor: jax.Array) -> tuple[jax.Array, ...]:
            counted = both_valid(x, y)
            s, g = (jnp.where(counted, factor * s, 0.0) for s in similarities(x, y))
            by_row = jnp.where(counted, jnp.exp(g - constant(x["norm"][:, None])), 0.0)
            by_col = jnp.where(counted, jnp.exp(g - constant(y["norm"][None, :])), 0.0)
            return by_row * s, by_row * g, by_col * s, by_col * g

        scale = jnp.float32(factor)
        sides = pairwise.logsumexp(logits, x, y, scale, plan=plan)
        norms = [constant(taught) for _, taught in sides]
        # Rows that do not count have no normaliser.
        x["norm"], y["norm"] = (jnp.where(norm == -jnp.inf, 0.0, norm) for norm in norms)
        rows, cols = pairwise.sums(expected, x, y, scale, plan=plan)
        own, taught = (
            factor * (part.unit[0] * part.unit[1]).sum(-1) for part in (both.own, both.taught)
        )
        taught = constant(taught)
        loss = jnp.zeros(())
        for (norm, _), mean, mean_taught, side in (
            (sides[0], rows[0], rows[1], x),
            (sides[1], cols[2], cols[3], y),
        ):
            cross = norm - alpha * own - (1 - alpha) * mean
            # Σ q ln q, a constant: α only moves the entry of the pair itself, of probability p.
            share = (1 - alpha) * jnp.exp(taught - side["norm"])
            negative_entropy = xlogy(alpha + share, alpha + share) - xlogy(share, share)
            if alpha < 1:
                log = jnp.log1p(-alpha)
                negative_entropy += (1 - alpha) * (log + mean_taught - side["norm"])
            loss = loss + both.own.mean(cross + constant(negative_entropy))
        return 0.5 * self.temperature**2 * loss


class OffDiagonalDistillation(Term):
    """Off-diagonal distillation (Mod-X): similarity rows of the previous model.

    With cosines M_ij = x_i·y_j of the towers and M' of the teacher, without a temperature,

        L = 1/2 [ Σ_i k_i KL(softmax(M'_i) || softmax(M_i)) + (the same over columns) ],

    where k_i = 1 if the teacher finds the pair of row i first, argmax_j M'_ij = i (of equal ones
    the first counts), else 0. Ni et al. 2023 (arXiv 2305.07437, Mod-X), where it is a sum over the
    batch and has the weight 20; metrics `kept/rows` and `kept/cols` are the means of k. Rows are
    nearly flat, so that their divergence is computed from differences D = M - M', as
    ln E'[exp D] - E'[D], in two passes over the pairs.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      screen: whether rows that the teacher has wrong are left out.
      reduction: `sum` over the batch, as published, or `mean`.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        screen: bool = True,
        reduction: Literal["sum", "mean"] = "sum",
    ):
        check_pairs("offdiag_distill", pairs)
        self.pairs, self.screen, self.reduction = pairs, screen, reduction

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        found = [
            self._pair(both_of(self.name, pair, outputs, batch, context), context.plan)
            for pair in self.pairs
        ]
        losses, rows, cols = zip(*found, strict=True)
        metrics = {"kept/rows": mean_over(list(rows)), "kept/cols": mean_over(list(cols))}
        return mean_over(list(losses)), metrics

    def _pair(self, both: Both, plan: pairwise.Plan) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, y = both.features(0), both.features(1)

        def taught(x: Features, y: Features, _: object) -> jax.Array:
            return jnp.where(both_valid(x, y), similarities(x, y)[1], -jnp.inf)

        norms = pairwise.logsumexp(taught, x, y, plan=plan)
        x["norm"], y["norm"] = (jnp.where(norm == -jnp.inf, 0.0, norm) for norm in norms)
        x["own"] = y["own"] = (x["taught"] * y["taught"]).sum(-1)

        def statistics(x: Features, y: Features, _: object) -> tuple[jax.Array, ...]:
            counted = both_valid(x, y)
            now, before = similarities(x, y)
            change = now - before
            more = jnp.expm1(change) - change
            i, j = x["index"][:, None], y["index"][None, :]
            tiles = []
            for own, norm, first in (
                (x["own"][:, None], x["norm"][:, None], j < i),
                (y["own"][None, :], y["norm"][None, :], i < j),
            ):
                probability = jnp.where(counted, jnp.exp(before - constant(norm)), 0.0)
                ahead = (before > own + TIE) | ((before >= own - TIE) & first)
                ahead = counted & ahead & ~same_example(x, y)
                tiles += [probability * change, probability * more, ahead.astype(jnp.float32)]
            return tuple(tiles)

        rows, cols = pairwise.sums(statistics, x, y, plan=plan)
        losses, shares = [], []
        for mean, more, ahead in (rows[:3], cols[3:]):
            divergence = jnp.log1p(mean + more) - mean
            keep = constant(ahead) == 0 if self.screen else jnp.ones(ahead.shape, bool)
            kept = jnp.where(keep, divergence, 0.0)
            factor = both.own.count if self.reduction == "sum" else 1.0
            losses.append(factor * both.own.mean(kept))
            shares.append(both.own.mean(keep.astype(jnp.float32)))
        return 0.5 * sum_of(losses), shares[0], shares[1]

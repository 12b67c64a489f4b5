"""Prediction of the other modality's assignment to prototypes, such as the words of a language."""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.model.embedding import Gallery
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Term,
    gallery_of,
    rows_of,
    similarity,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import GalleryRef, ViewRef
from mmjax.schema.bounds import CountOrZero, Factor, Positive


class PrototypeAssignment(Term):
    """Each modality predicts how the other one is assigned to prototypes, by optimal transport.

    For unit rows x_i, y_i and unit prototypes w_k, the entries of a gallery, with A^x_ik = x_i·w_k,

        L = 1/2 mean_i [ -Σ_k q^y_ik log p^x_ik - Σ_k q^x_ik log p^y_ik ],  p = softmax_k(A / τ),

    where q comes from c_k exp(A_ik / ε) by Sinkhorn's algorithm: in each iteration all rows are
    scaled to the sum 1 and then all columns to sums in proportion to c_k; at last the rows. Targets
    q have no gradient. It is SwAV (Caron et al. 2020, arXiv 2006.09882) across modalities, with
    word vectors for prototypes and the frequencies of words for c: assignment prediction of VLAP
    (Park et al. 2024, arXiv 2404.09632), as a card reconstructs it. With iterations=0, q =
    softmax_k(A / ε + log c_k): soft targets without transport. Scalings are vectors, one number for
    each row and prototype, so nothing of the size B x K is kept.

    Args:
      pair: the two modalities.
      gallery: name of the prototypes, of `data.galleries`.
      marginal: c: `uniform`, or the `weights` of the gallery (its option `weight`); one of weight 0
        is no target.
      epsilon: ε.
      iterations: of Sinkhorn's algorithm.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("image", "text"),
        gallery: GalleryRef,
        marginal: Literal["uniform", "weights"] = "uniform",
        epsilon: Positive = 0.05,
        iterations: CountOrZero = 3,
        temperature: Factor = 0.1,
        learn_temperature: bool = False,
        max_scale: Factor | None = 100.0,
    ):
        check_pairs("prototype_assignment", (pair,))
        self.pair, self.gallery, self.marginal = pair, gallery, marginal
        self.epsilon, self.iterations = epsilon, iterations
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(self.name, self.pair, outputs, batch)
        entries = gallery_of(self.name, self.gallery, context)
        prototypes, width = entries.embedding.unit, rows.unit[0].shape[1]
        if prototypes.shape[1] != width:
            raise TermError(
                f"The term {self.name!r} compares {self.pair} of {width} numbers with the gallery "
                f"{self.gallery!r} of {prototypes.shape[1]}; give all towers heads of one size."
            )
        x = {"unit": jnp.stack(rows.unit, axis=1)}
        if rows.valid is not None:
            x["valid"] = rows.valid
        y = {"unit": prototypes, "valid": entries.valid}
        scale, plan = self.temperature(), context.plan
        of_x, of_y = self.scalings(x, {**y, "log_share": self._log_shares(entries)}, plan)

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            return tuple(jnp.where(_counted(x, y), scale * a, -jnp.inf) for a in _cosines(x, y))

        def weighted(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            """q of the other modality times the score of each."""
            cosines = _cosines(x, y)
            found = []
            for side, other in ((0, 1), (1, 0)):
                about = jax.lax.stop_gradient(cosines[other]) / self.epsilon
                q = jnp.exp(about + x["of_x"][:, None, other] + y["of_y"][None, :, other])
                found.append(jnp.where(_counted(x, y), q * scale * cosines[side], 0.0))
            return tuple(found)

        normalizers, _ = pairwise.logsumexp(score, x, y, scale, plan=plan, sides="rows")
        targets, _ = pairwise.sums(
            weighted, {**x, "of_x": of_x}, {**y, "of_y": of_y}, scale, plan=plan, sides="rows"
        )
        first, second = (
            rows.mean(lse - target) for lse, target in zip(normalizers, targets, strict=True)
        )
        return (first + second) / 2, {self.pair[0]: first, self.pair[1]: second, "scale": scale}

    def _log_shares(self, entries: Gallery) -> jax.Array:
        """log c_k, f32[K], to within a constant."""
        if self.marginal == "uniform":
            return jnp.zeros(len(entries.id))
        if entries.weight is None:
            raise TermError(
                f"The term {self.name!r} has marginal='weights', but the gallery {self.gallery!r} "
                "has none: name a field of its records in its option 'weight'."
            )
        return jnp.log(entries.weight)

    def scalings(
        self, x: Features, y: Features, plan: pairwise.Plan
    ) -> tuple[jax.Array, jax.Array]:
        """f f32[B, 2] and g f32[K, 2] of both modalities in q = exp(A / ε + f + g)."""
        x, y = jax.lax.stop_gradient((dict(x), dict(y)))
        shares = jnp.stack([y.pop("log_share")] * 2, axis=1)

        def score(x: Features, y: Features, _: object) -> tuple[jax.Array, ...]:
            return tuple(
                jnp.where(
                    _counted(x, y),
                    a / self.epsilon + x["of_x"][:, None, m] + y["of_y"][None, :, m],
                    -jnp.inf,
                )
                for m, a in enumerate(_cosines(x, y))
            )

        nothing = jnp.zeros((len(x["unit"]), 2))

        def rows(of_y: jax.Array) -> jax.Array:
            sides = {**x, "of_x": nothing}, {**y, "of_y": of_y}
            lse, _ = pairwise.logsumexp(score, *sides, plan=plan, sides="rows")
            # A row that is not valid has no score, and is given none.
            stacked = jnp.stack(lse, axis=1)
            return jnp.where(jnp.isfinite(stacked), -stacked, 0.0)

        def iterate(_: jax.Array, of_y: jax.Array) -> jax.Array:
            sides = {**x, "of_x": rows(of_y)}, {**y, "of_y": jnp.zeros_like(of_y)}
            _, lse = pairwise.logsumexp(score, *sides, plan=plan, sides="cols")
            stacked = jnp.stack(lse, axis=1)
            return shares - jnp.where(jnp.isfinite(stacked), stacked, 0.0)

        of_y = jax.lax.fori_loop(0, self.iterations, iterate, shares)
        return jax.lax.stop_gradient((rows(of_y), of_y))


def _cosines(x: Features, y: Features) -> list[jax.Array]:
    """A of both modalities, f32[r, c] each."""
    return [similarity(x["unit"][:, m], y["unit"]) for m in (0, 1)]


def _counted(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: valid rows and prototypes."""
    valid = y["valid"][None, :]
    return valid & x["valid"][:, None] if "valid" in x else valid

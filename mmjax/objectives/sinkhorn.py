"""Swapped prediction with Sinkhorn targets (optimal transport)."""

from collections.abc import Sequence

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
    mean_over,
    rows_of,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, Positive, Repeats


class SinkhornSwap(Term):
    """Swapped prediction with Sinkhorn targets, between two modalities with two views each.

    For a pair (x, y) of views with S_ij = x_i·y_j / τ, and the pair (x', y') of the other two, the
    target T of rows comes from exp(x'_i·y'_j / ε): `iterations` times all columns are scaled to one
    sum and then all rows to the sum 1. T' is the same of the transpose, for columns, and

        L = 1/2 mean_i [ lse_j S_ij - Σ_j T_ij S_ij ] + 1/2 mean_j [ lse_i S_ij - Σ_i T'_ji S_ij ],

    mean over the four pairs.

    Targets have no gradient. SwALIP of Fini et al. 2023 (arXiv 2305.08675), after Caron et al. 2020
    (arXiv 2006.09882, SwAV). The scalings are vectors, a_i and b_j in T_ij = exp(x'_i·y'_j / ε +
    a_i + b_j), and each of them is one log-sum-exp of the other, so the engine makes two sweeps for
    each iteration and no matrix.

    Args:
      first, second: the two views of one modality, and those of the other.
      epsilon: ε.
      iterations: of Sinkhorn's algorithm.
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
    """

    def __init__(
        self,
        *,
        first: tuple[ViewRef, ViewRef] = ("image", "image@2"),
        second: tuple[ViewRef, ViewRef] = ("text", "text@2"),
        epsilon: Positive = 0.05,
        iterations: Repeats = 3,
        temperature: Factor | str = 0.1,
        learn_temperature: bool = True,
        max_scale: Factor | None = 100.0,
    ):
        if len({*first, *second}) != 4:
            raise TermError(
                f"The term 'sinkhorn_swap' needs four views, but has first={first!r} and "
                f"second={second!r}."
            )
        self.first, self.second = first, second
        self.epsilon, self.iterations = epsilon, iterations
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature.scale(self.name, context.scales)
        rows = rows_of(self.name, (*self.first, *self.second), outputs, batch)
        x = {"unit": jnp.stack(rows.unit[:2], axis=1)}
        y = {"unit": jnp.stack(rows.unit[2:], axis=1)}
        if rows.valid is not None:
            x["valid"] = y["valid"] = rows.valid
        plan = context.plan

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            counted = both_valid(x, y)
            return tuple(jnp.where(counted, scale * s, -jnp.inf) for s in _pairs(x, y))

        by_row, by_col = pairwise.logsumexp(score, x, y, scale, plan=plan)
        of_x, of_y = self.scalings(x, y, plan)
        scaled = ({**x, **of_x}, {**y, **of_y})

        def weighted(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            """T_ij S_ij of all pairs, to be summed over columns, and T'_ji S_ij, over rows."""
            counted, tiles = both_valid(x, y), _pairs(x, y)
            # The other two views of pair k are those of pair 3 - k.
            about = [jax.lax.stop_gradient(s) / self.epsilon for s in reversed(tiles)]
            found = []
            for name in ("of_rows", "of_cols"):
                for k, s in enumerate(tiles):
                    t = jnp.exp(about[k] + x[name][:, None, 3 - k] + y[name][None, :, 3 - k])
                    found.append(jnp.where(counted, t * scale * s, 0.0))
            return tuple(found)

        targets = pairwise.sums(weighted, *scaled, scale, plan=plan)
        losses = []
        for k in range(4):
            losses.append(rows.mean(by_row[k] - targets[0][k]))
            losses.append(rows.mean(by_col[k] - targets[1][4 + k]))
        return mean_over(losses), {"scale": scale}

    def scalings(
        self, x: Features, y: Features, plan: Plan
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """f32[B, 4] of rows and of columns, for each pair: with those `of_rows` every row of T sums
        to 1, with those `of_cols` every column of T'.
        """
        x, y = jax.lax.stop_gradient((dict(x), dict(y)))

        def score(x: Features, y: Features, _: object) -> tuple[jax.Array, ...]:
            """Of the plan for rows and of that for columns, each with the scaling that it has."""
            counted, found = both_valid(x, y), []
            for name in ("of_rows", "of_cols"):
                for k, s in enumerate(_pairs(x, y)):
                    s = s / self.epsilon
                    if name in x:
                        s = s + x[name][:, None, k]
                    if name in y:
                        s = s + y[name][None, :, k]
                    found.append(jnp.where(counted, s, -jnp.inf))
            return tuple(found)

        def minus(results: Sequence[jax.Array]) -> jax.Array:
            # A row that is not valid has no score, and is given none.
            lse = jnp.stack(results, axis=1)
            return jax.lax.stop_gradient(jnp.where(jnp.isfinite(lse), -lse, 0.0))

        def iterate(_: jax.Array, own: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            """From (rows of T, columns of T') to (rows of T', columns of T), and back."""
            rows, cols = own[:2]
            by_row, by_col = pairwise.logsumexp(
                score, {**x, "of_rows": rows}, {**y, "of_cols": cols}, plan=plan
            )
            other = minus(by_row[4:]), minus(by_col[:4])
            by_row, by_col = pairwise.logsumexp(
                score, {**x, "of_cols": other[0]}, {**y, "of_rows": other[1]}, plan=plan
            )
            return minus(by_row[:4]), minus(by_col[4:]), *other

        start = (jnp.zeros((len(x["unit"]), 4)),) * 4
        rows, cols, other_rows, other_cols = jax.lax.fori_loop(0, self.iterations, iterate, start)
        return ({"of_rows": rows, "of_cols": other_rows}, {"of_rows": other_cols, "of_cols": cols})


def _pairs(x: Features, y: Features) -> list[jax.Array]:
    """Cosines of the four pairs of views, f32[r, c] each."""
    return [similarity(x["unit"][:, a], y["unit"][:, b]) for a in (0, 1) for b in (0, 1)]

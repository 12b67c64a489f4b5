"""Multi-view contrastive losses: NT-Xent (SimCLR), MV-InfoNCE and MV-DHEL.

Koromilas et al. 2025, A Principled Framework for Multi-View Contrastive Learning, arXiv 2507.06979:
one term for each example instead of one for each pair of views. Below, U[i, l] is the unit
embedding of view l = 1..N of example i = 1..B, and s(i,l; j,m) = U[i,l]·U[j,m] / τ.
"""

import itertools
from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Rows,
    Term,
    both_valid,
    mean_over,
    rows_of,
    same_example,
    sum_of,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor


class MultiViewInfoNCE(Term):
    """MV-InfoNCE: one InfoNCE term over all views.

        L = mean_i [ log Σ_(l, (j,m) ≠ (i,l)) exp s(i,l; j,m)  -  log Σ_(l ≠ m) exp s(i,l; i,m) ],

    the first sum over all rows but each view itself, so it holds negatives of the same view and the
    positives; with `cross_view_only` it holds those with m ≠ l alone. Koromilas et al. 2025 (arXiv
    2507.06979), MV-InfoNCE: the default is the authors' code, `cross_view_only` their equation. For
    two views it is above NT-Xent by the mean of log((D_1 + D_2)/2) - (log D_1 + log D_2)/2 >= 0 of
    the two denominators of an example. A tile of r x c examples takes r c N² numbers.

    Args:
      views: N >= 2 modalities, or views `x`, `x@2`, ... of one.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      cross_view_only: leave negatives of the same view out.
    """

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "image@2"),
        temperature: Factor = 0.5,
        learn_temperature: bool = False,
        cross_view_only: bool = False,
    ):
        check_views("mv_infonce", views)
        self.views, self.cross_view_only = views, cross_view_only
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.views, outputs, batch)
        x = stacked(rows)

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            count = x["unit"].shape[1]
            s = scale * _blocks("rld,cmd->rclm", x["unit"], y["unit"])
            same_view = jnp.eye(count, dtype=bool)
            itself = same_view if self.cross_view_only else _itself(x, y, same_view)
            # A pair that does not count gets scores that can be differentiated, and then none.
            counted = both_valid(x, y)
            kept = jnp.where(itself, -jnp.inf, s)
            kept = jnp.where(_expand(counted), kept, 0.0)
            return jnp.where(counted, jax.nn.logsumexp(kept, axis=(2, 3)), -jnp.inf)

        by_row, _ = pairwise.logsumexp(score, x, x, scale, plan=context.plan, sides="rows")
        positive = _positives(x["unit"], scale, ordered=True)
        return rows.mean(by_row - positive), {"scale": scale}


class MultiViewDHEL(Term):
    """MV-DHEL: alignment of all views in one term, uniformity within each view.

        L = mean_i [ Σ_l log Σ_(j ≠ i) exp s(i,l; j,l)  -  log Σ_(l < m) exp s(i,l; i,m) ];

    0 with fewer than two examples. Koromilas et al. 2025 (arXiv 2507.06979), MV-DHEL as in the
    authors' code (their README leaves j = i in the first sum). Views repel only within themselves,
    so the work grows with N and not with N².

    Args:
      views: N >= 2 modalities, or views `x`, `x@2`, ... of one.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
    """

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "image@2"),
        temperature: Factor = 0.5,
        learn_temperature: bool = False,
    ):
        check_views("mv_dhel", views)
        self.views = views
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.views, outputs, batch)
        x = stacked(rows)

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            s = scale * _blocks("rld,cld->lrc", x["unit"], y["unit"])
            counted = both_valid(x, y) & ~same_example(x, y)
            return tuple(jnp.where(counted, s[i], -jnp.inf) for i in range(len(s)))

        by_row, _ = pairwise.logsumexp(score, x, x, scale, plan=context.plan, sides="rows")
        enough = rows.count >= 2  # otherwise every row has -inf
        spread = sum_of(jnp.where(enough, values, 0.0) for values in by_row)
        positive = jnp.where(enough, _positives(x["unit"], scale, ordered=False), 0.0)
        return rows.mean(spread - positive), {"scale": scale}


class NTXent(Term):
    """NT-Xent, the loss of SimCLR, for two or more views.

    For two matrices a and b of unit rows, 2B anchors each find their partner among all others:

        L(a, b) = mean over anchors of [ log Σ_(all but the anchor) exp(·/τ)  -  a_i·b_i / τ ].

    Chen et al. 2020 (arXiv 2002.05709, equation 1). With more views it is the mean of L over all
    pairs of views (`across='pairs'`), or over views of L between that view and the mean of the
    others, which is not normalised again (`across='average'`); both as in the code of Koromilas et
    al. 2025 (arXiv 2507.06979). For two views they are equal.

    Args:
      views: N >= 2 modalities, or views `x`, `x@2`, ... of one.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      across: `pairs` or `average`.
    """

    contrastive = True

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "image@2"),
        temperature: Factor = 0.5,
        learn_temperature: bool = False,
        across: Literal["pairs", "average"] = "pairs",
    ):
        check_views("nt_xent", views)
        self.views, self.across = views, across
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.views, outputs, batch)
        x = stacked(rows)
        count = len(self.views)
        if self.across == "pairs":
            first, second = zip(*itertools.combinations(range(count), 2), strict=True)
            sides = x["unit"][:, jnp.array(first)], x["unit"][:, jnp.array(second)]
        else:
            others = (x["unit"].sum(1, keepdims=True) - x["unit"]) / (count - 1)
            sides = x["unit"], others
        x = {**x, "a": sides[0], "b": sides[1]}
        del x["unit"]

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[tuple[jax.Array, ...], ...]:
            """For each of P pairs of matrices: a against a, b against b, a against b."""
            counted = both_valid(x, y)
            other = counted & ~same_example(x, y)
            tiles = []
            for left, right, mask in (("a", "a", other), ("b", "b", other), ("a", "b", counted)):
                s = scale * _blocks("rpd,cpd->prc", x[left], y[right])
                tiles.append(tuple(jnp.where(mask, s[p], -jnp.inf) for p in range(len(s))))
            return tuple(tiles)

        by_row, by_col = pairwise.logsumexp(score, x, x, scale, plan=context.plan)
        positive = scale * (x["a"] * x["b"]).sum(-1)
        losses = []
        for p in range(positive.shape[1]):
            of_a = jnp.logaddexp(by_row[0][p], by_row[2][p])
            of_b = jnp.logaddexp(by_row[1][p], by_col[2][p])
            losses.append(rows.mean((of_a + of_b) / 2 - positive[:, p]))
        return mean_over(losses), {"scale": scale}


def stacked(rows: Rows) -> dict[str, jax.Array]:
    """Features for the engine with all views of an example together, `unit` f32[B, N, D]."""
    tree = {"unit": jnp.stack(rows.unit, axis=1)}
    tree["index"] = jnp.arange(len(tree["unit"]), dtype=jnp.int32)
    if rows.valid is not None:
        tree["valid"] = rows.valid
    return tree


def check_views(term: str, views: tuple[str, ...], least: int = 2) -> None:
    """Raises a TermError unless there are at least `least` views, all different."""
    if len(views) < least or len(set(views)) != len(views):
        raise TermError(
            f"The term {term!r} needs at least {least} different views, but views={views!r}; views "
            "of one modality are 'image', 'image@2', ..."
        )


def _positives(unit: jax.Array, scale: jax.Array, *, ordered: bool) -> jax.Array:
    """log Σ exp s(i,l; i,m) over l ≠ m, or over l < m; f32[B]."""
    count = unit.shape[1]
    s = scale * jnp.einsum("bld,bmd->blm", unit, unit, precision="highest")
    first, second = jnp.triu_indices(count, 1)
    value = jax.nn.logsumexp(s[:, first, second], axis=1)
    return value + jnp.log(2.0) if ordered else value


def _blocks(equation: str, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.einsum(equation, x, y, precision="highest", preferred_element_type=jnp.float32)


def _expand(mask: jax.Array | bool) -> jax.Array | bool:
    return mask if isinstance(mask, bool) else mask[:, :, None, None]


def _itself(x: Features, y: Features, same_view: jax.Array) -> jax.Array:
    """bool[r, c, N, N]: a view of an example against itself."""
    return same_example(x, y)[:, :, None, None] & same_view

"""One column for each row, drawn by weights or the highest score, tile by tile."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mmjax.parallel.pairwise import Plan
from mmjax.parallel.pairwise.tiles import Cut


def sample(
    log_weight: Callable[[Any, Any, Any], jax.Array],
    rows: Any,
    cols: Any,
    shared: Any,
    key: jax.Array,
    *,
    plan: Plan,
) -> jax.Array:
    """For each row a column j with probability exp(w_ij) / Σ_k exp(w_ik).

    The maximum of w_ij plus independent Gumbel numbers falls on j with that probability (Gumbel
    1954), and a maximum can be kept while tiles of columns pass: memory grows with the rows. The
    numbers depend on the key, the sizes and the tile, and not on the mesh.

    Args:
      log_weight: w of all rows against a tile of columns, as of `pairwise.logsumexp`: f32[r, c],
        -inf where a column may not be drawn.
      rows, cols: pytrees of features, [R, ...] and [C, ...].
      shared: what else it takes.
      key: of the numbers.
      plan: its tile is used.

    Returns:
      i32[R]; 0 for a row that may draw none.
    """

    def noisy(w: jax.Array, i: jax.Array) -> jax.Array:
        return w + jax.random.gumbel(jax.random.fold_in(key, i), w.shape)

    return _largest(log_weight, rows, cols, shared, plan, 1, noisy)[1][:, 0]


def hardest(
    score: Callable[[Any, Any, Any], jax.Array],
    rows: Any,
    cols: Any,
    shared: Any = (),
    *,
    plan: Plan,
) -> jax.Array:
    """For each row the column with the highest score, the first of equal ones; without gradient.

    Tiles of columns pass as in `sample`, so that memory grows with the rows.

    Args:
      score: of all rows against a tile of columns, f32[r, c]; -inf takes a pair out.
      rows, cols, shared, plan: as of `sample`.

    Returns:
      i32[R]; 0 for a row without any.
    """
    return _largest(score, rows, cols, shared, plan, 1, lambda w, _: w)[1][:, 0]


def nearest(
    score: Callable[[Any, Any, Any], jax.Array],
    rows: Any,
    cols: Any,
    shared: Any = (),
    *,
    count: int,
    plan: Plan,
) -> tuple[jax.Array, jax.Array]:
    """For each row the `count` columns with the highest scores, the highest first; no gradient.

    Args:
      score, rows, cols, shared, plan: as of `hardest`; of equal scores the first columns are taken.
      count: how many.

    Returns:
      f32[R, count], the scores, and i32[R, count], the columns; -inf and 0 where there are fewer.
    """
    return _largest(score, rows, cols, shared, plan, count, lambda w, _: w)


def _largest(
    score: Callable[[Any, Any, Any], jax.Array],
    rows: Any,
    cols: Any,
    shared: Any,
    plan: Plan,
    number: int,
    changed: Callable[[jax.Array, jax.Array], jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """Columns with the highest scores, as `changed(scores, number of the tile)`: [R, number]."""
    cut = Cut.of(jax.tree.leaves(cols)[0].shape[0], plan.tile_or_default)
    count = jax.tree.leaves(rows)[0].shape[0]

    def step(i: jax.Array, best: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        w = changed(score(rows, cut.take(cols, i), shared), i)
        fresh = cut.fresh(i)
        if fresh is not None:
            w = jnp.where(fresh[None, :], w, -jnp.inf)
        start = 0 if cut.count == 1 else cut.begin(i)
        here = jnp.broadcast_to(start + jnp.arange(w.shape[1], dtype=jnp.int32), w.shape)
        here = jnp.where(w > -jnp.inf, here, 0)
        # Earlier columns stand first: `top_k` takes the first of equal scores.
        values, places = (jnp.concatenate(two, axis=1) for two in zip(best, (w, here), strict=True))
        top, which = jax.lax.top_k(values, number)
        return top, jnp.take_along_axis(places, which, axis=1)

    start = (jnp.full((count, number), -jnp.inf), jnp.zeros((count, number), jnp.int32))
    top, place = jax.lax.fori_loop(0, cut.count, step, start)
    return jax.lax.stop_gradient(top), jax.lax.stop_gradient(place)

"""The public reductions over pairs, their checks, and their derivative.

The derivative is attached outside of `jax.shard_map`, at the level of whole arrays: forward and
backward are each one mapped function, and JAX never transposes a collective or differentiates a
loop of tiles (which would keep every tile).
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding

from mmjax.parallel.pairwise.plan import PairwiseError, Plan
from mmjax.parallel.pairwise.reductions import LogSumExp, Reduction, Sum
from mmjax.parallel.pairwise.schedules import STREAMED, Ranks, dense
from mmjax.parallel.pairwise.tiles import Job, Tree, partition

Score = Callable[[Tree, Tree, Tree], Tree]
Sides = Literal["both", "rows", "cols"]


def logsumexp(
    score: Score, rows: Tree, cols: Tree, shared: Tree = (), *, plan: Plan, sides: Sides = "both"
) -> tuple[Tree, Tree]:
    """Row-wise and column-wise log-sum-exp of all scores between `rows` and `cols`.

    Args:
      score: `score(row_tile, col_tile, shared) -> f32[r, c]`, called with any r rows and any c
        columns. It must be differentiable and treat each pair by itself. A score of -inf takes a
        pair out (write it with `jnp.where`). It may return a pytree of such matrices: the results
        then have that structure. It must not close over traced arrays; pass those in `shared`.
      rows: pytree of arrays, each `[R, ...]`. Floating leaves get gradients; others (ids, masks,
        indices) are handed to `score` unchanged.
      cols: pytree of arrays, each `[C, ...]`.
      shared: pytree of arrays that every pair sees whole, such as a scale or a bias.
      plan: mesh, schedule and tile size.
      sides: which results are wanted; the work of the other is saved and None returned for it.

    Returns:
      `(f32[R], f32[C])`. A row or column without any score above -inf has -inf, and no gradient.

    Raises:
      PairwiseError: sizes do not divide over the mesh, or `score` returns another shape or dtype.
    """
    return _reduce(LogSumExp(), score, rows, cols, shared, plan, sides)


def sums(
    score: Score, rows: Tree, cols: Tree, shared: Tree = (), *, plan: Plan, sides: Sides = "both"
) -> tuple[Tree, Tree]:
    """Row-wise and column-wise sums of all scores; arguments and errors as for `logsumexp`.

    Returns:
      `(f32[R], f32[C])`.
    """
    return _reduce(Sum(), score, rows, cols, shared, plan, sides)


def total(score: Score, rows: Tree, cols: Tree, shared: Tree = (), *, plan: Plan) -> Tree:
    """Sum of all scores, an f32 scalar; arguments and errors as for `logsumexp`."""
    by_row, _ = sums(score, rows, cols, shared, plan=plan, sides="rows")
    return jax.tree.map(jnp.sum, by_row)


def _reduce(
    reduction: Reduction,
    score: Score,
    rows: Tree,
    cols: Tree,
    shared: Tree,
    plan: Plan,
    sides: Sides,
) -> tuple[Tree, Tree]:
    rows, cols, shared = jax.tree.map(jnp.asarray, (rows, cols, shared))
    n, m = _common_length(rows, "rows"), _common_length(cols, "columns")
    for what, size in (("rows", n), ("columns", m)):
        if size == 0:
            raise PairwiseError(f"A pairwise reduction has no {what}: it needs at least one.")
        if size % plan.shards:
            raise PairwiseError(
                f"{size} {what} do not divide over the {plan.shards} devices of mesh axes "
                f"{plan.axes}: use a batch that is a multiple of {plan.shards}."
            )
    if sides not in ("both", "rows", "cols"):
        raise PairwiseError(f"sides must be 'both', 'rows' or 'cols', not {sides!r}.")
    wanted = (sides != "cols", sides != "rows")
    tiles = _tile_structure(score, rows, cols, shared)
    job = Job(score, reduction, tiles, plan.tile_or_default)
    row_bytes, col_bytes = (sum(x.nbytes for x in jax.tree.leaves(tree)) for tree in (rows, cols))
    schedule = plan.choose(n, m, min(row_bytes, col_bytes))
    if schedule == "dense":
        return dense(job, rows, cols, shared, wanted, _row_sharding(plan))
    if row_bytes >= col_bytes:
        return _streamed(job, rows, cols, shared, wanted, plan, schedule)
    # Columns are what devices send to each other and hold copies of, so the smaller side is theirs.
    by_col, by_row = _streamed(job.transposed(), cols, rows, shared, wanted[::-1], plan, schedule)
    return by_row, by_col


def _streamed(
    job: Job,
    rows: Tree,
    cols: Tree,
    shared: Tree,
    wanted: tuple[bool, bool],
    plan: Plan,
    schedule: str,
) -> tuple[Tree, Tree]:
    """Runs a schedule of tiles over the mesh, with the derivative that recomputes the tiles."""
    # A mesh of one device needs no mapping and no collectives.
    axes = plan.axes if plan.shards > 1 else ()
    ranks = Ranks(axes, plan.shards)
    split, whole = jax.P(axes), jax.P()
    forward, backward = STREAMED[schedule]

    def mapped(f: Callable[..., Tree], in_specs: Tree, out_specs: Tree) -> Callable[..., Tree]:
        if not axes:
            return f
        return jax.shard_map(f, mesh=plan.mesh, in_specs=in_specs, out_specs=out_specs)

    data = [partition(tree) for tree in (rows, cols, shared)]
    floats, rest = tuple(d[0] for d in data), tuple(d[1] for d in data)

    @jax.custom_vjp
    def run(floats: Tree, rest: Tree) -> tuple[Tree, Tree]:
        return run_forward(floats, rest)[0]

    def run_forward(floats: Tree, rest: Tree) -> tuple[tuple[Tree, Tree], Tree]:
        f = mapped(
            lambda rows, cols, shared: forward(job, ranks, rows, cols, shared, wanted),
            (split, split, whole),
            (split, split, whole),
        )
        *stats, saved = f(*zip(floats, rest, strict=True))
        return tuple(map(job.finish, stats)), (floats, rest, stats, saved)

    def run_backward(residuals: Tree, cotangents: tuple[Tree, Tree]) -> tuple[Tree, None]:
        floats, rest, stats, saved = residuals
        sides = [job.side(s, g) for s, g in zip(stats, cotangents, strict=True)]
        f = mapped(
            lambda rows, cols, shared, row_side, col_side, saved: backward(
                job, ranks, rows, cols, shared, row_side, col_side, saved
            ),
            (split, split, whole, split, split, whole),
            (split, split, whole),
        )
        grads = f(*zip(floats, rest, strict=True), *sides, saved)
        # Gradients were accumulated in f32; each leaf wants its own dtype.
        return jax.tree.map(lambda g, x: g.astype(x.dtype), tuple(grads), floats), None

    run.defvjp(run_forward, run_backward)
    return run(floats, rest)


def _row_sharding(plan: Plan) -> Callable[[jax.Array], jax.Array]:
    if plan.mesh is None or plan.shards == 1:
        return lambda tile: tile
    sharding = NamedSharding(plan.mesh, jax.P(plan.axes))
    return lambda tile: jax.lax.with_sharding_constraint(tile, sharding)


def _common_length(tree: Tree, what: str) -> int:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    if not leaves:
        raise PairwiseError(f"The {what} of a pairwise reduction hold no array.")
    sizes = {jax.tree_util.keystr(path): x.shape[:1] for path, x in leaves}
    if () in sizes.values() or len(set(sizes.values())) > 1:
        raise PairwiseError(
            f"All arrays among the {what} of a pairwise reduction need the same leading size: "
            + ", ".join(f"{k or 'array'} has {v[0] if v else 'none'}" for k, v in sizes.items())
        )
    return len(leaves[0][1])


def _tile_structure(score: Score, rows: Tree, cols: Tree, shared: Tree) -> Tree:
    """Shapes of what `score` returns, tried on 2 rows and 3 columns so that no swap goes unseen."""

    def few(tree: Tree, count: int) -> Tree:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), tree)

    tiles = jax.eval_shape(score, few(rows, 2), few(cols, 3), shared)
    leaves = jax.tree.leaves(tiles)
    if not leaves:
        raise PairwiseError("The score function returned no array; it has to return f32[r, c].")
    for tile in leaves:
        if tile.shape != (2, 3) or tile.dtype != jnp.float32:
            raise PairwiseError(
                "The score function has to return float32[r, c] for r rows and c columns, but for "
                f"2 rows and 3 columns it returned {tile.dtype}{list(tile.shape)}."
            )
    return tiles

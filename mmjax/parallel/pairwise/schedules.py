"""Schedules of the devices: three ways to the same statistics and gradients.

`dense` is the plain formula on the whole matrix and leaves the derivative to JAX. `gather` and
`ring` are pairs of functions, forward and backward, that run on every device inside
`jax.shard_map`, with this device's rows and columns; both walk their blocks with `tiles`. A device
keeps its rows; what differs is how it meets the columns of the others.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmjax.parallel.pairwise.tiles import (
    Grads,
    Job,
    Tree,
    accumulate,
    combine,
    pull_back,
    zeros_like,
)

Split = tuple[Tree, Tree]  # floating leaves and others, as `tiles.partition` splits them
Sides = tuple[bool, bool]  # whether results of rows, and of columns, are wanted


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The devices among which rows are split: the mesh axes they lie on and their number.

    Without axes there is one device, and no collective is issued.
    """

    axes: tuple[str, ...]
    count: int

    def vary(self, tree: Tree) -> Tree:
        """Marks values that are equal on all devices as free to differ."""
        if not self.axes:
            return tree
        return jax.tree.map(lambda x: jax.lax.pcast(x, self.axes, to="varying"), tree)

    def total(self, tree: Tree) -> Tree:
        return jax.lax.psum(tree, self.axes) if self.axes else tree

    def shift(self, tree: Tree) -> Tree:
        """Passes every leaf on to the next device of the ring."""
        hops = [(i, (i + 1) % self.count) for i in range(self.count)]
        return jax.tree.map(lambda x: jax.lax.ppermute(x, self.axes, hops), tree)


class Streamed(NamedTuple):
    """A schedule that runs inside `shard_map`.

    forward: (job, ranks, rows, cols, shared, sides) -> (row statistics, column statistics, saved),
      where `saved` is equal on all devices.
    backward: (job, ranks, rows, cols, shared, row side, column side, saved) -> gradients of the
      floating leaves of rows, cols and shared.
    """

    forward: Callable[..., tuple[Tree, Tree, Tree]]
    backward: Callable[..., Grads]


def dense(
    job: Job,
    rows: Tree,
    cols: Tree,
    shared: Tree,
    sides: Sides,
    constrain: Callable[[jax.Array], jax.Array],
) -> tuple[Tree, Tree]:
    """The plain formula: the whole matrix, with `constrain` to say how it is sharded."""
    tiles = jax.tree.map(constrain, job.score(rows, cols, shared))
    n, m = jax.tree.leaves(tiles)[0].shape

    def reduced(size: int, axis: int) -> Tree:
        return job.finish(job.add(job.start(size), tiles, axis))

    return (reduced(n, 1) if sides[0] else None), (reduced(m, 0) if sides[1] else None)


def _gather_forward(
    job: Job, ranks: Ranks, rows: Split, cols: Split, shared: Split, sides: Sides
) -> tuple[Tree, Tree, Tree]:
    everything = cols
    if ranks.axes:
        everything = jax.tree.map(
            lambda x: jax.lax.all_gather(x, ranks.axes, tiled=True, to="invarying"), cols
        )
    visited = ranks.vary(combine(*everything))
    row_stats, col_stats = accumulate(
        job,
        combine(*rows),
        visited,
        ranks.vary(combine(*shared)),
        ranks.vary(job.start(_length(rows))) if sides[0] else None,
        ranks.vary(job.start(_length(visited))) if sides[1] else None,
    )
    if sides[1] and ranks.axes:
        # This device has statistics of all columns over its own rows. Exchange them, so that it has
        # those of its own columns over every device's rows, and merge.
        parts = jax.tree.map(
            lambda x: jax.lax.all_to_all(x.reshape(ranks.count, -1), ranks.axes, 0, 0), col_stats
        )
        col_stats = jax.lax.fori_loop(
            1,
            ranks.count,
            lambda k, stats: job.merge(stats, jax.tree.map(lambda x: x[k], parts)),
            jax.tree.map(lambda x: x[0], parts),
        )
    return row_stats, col_stats, everything


def _gather_backward(
    job: Job,
    ranks: Ranks,
    rows: Split,
    cols: Split,
    shared: Split,
    row_side: Tree,
    col_side: Tree,
    everything: Split,
) -> Grads:
    if ranks.axes:
        everything = ranks.vary(everything)
        col_side = jax.tree.map(lambda x: jax.lax.all_gather(x, ranks.axes, tiled=True), col_side)
    shared = ranks.vary(shared)
    grads = ranks.vary(zeros_like((rows[0], everything[0], shared[0])))
    d_rows, d_cols, d_shared = pull_back(job, rows, everything, shared, row_side, col_side, grads)
    if ranks.axes:
        d_cols = jax.tree.map(lambda x: jax.lax.psum_scatter(x, ranks.axes, tiled=True), d_cols)
    return d_rows, d_cols, ranks.total(d_shared)


def _ring_forward(
    job: Job, ranks: Ranks, rows: Split, cols: Split, shared: Split, sides: Sides
) -> tuple[Tree, Tree, Tree]:
    rows, cols, shared = combine(*rows), combine(*cols), ranks.vary(combine(*shared))

    def visit(row_stats: Tree, cols: Tree) -> tuple[Tree, Tree]:
        col_stats = ranks.vary(job.start(_length(cols))) if sides[1] else None
        return accumulate(job, rows, cols, shared, row_stats, col_stats)

    row_stats = ranks.vary(job.start(_length(rows))) if sides[0] else None
    row_stats, col_stats = _tour(ranks, visit, job.merge, row_stats, cols)
    return row_stats, col_stats, None


def _ring_backward(
    job: Job,
    ranks: Ranks,
    rows: Split,
    cols: Split,
    shared: Split,
    row_side: Tree,
    col_side: Tree,
    _: None,
) -> Grads:
    rows, cols, row_side, col_side = jax.lax.optimization_barrier((rows, cols, row_side, col_side))
    shared = ranks.vary(shared)

    def visit(home: tuple[Tree, Tree], visitor: tuple[Split, Tree]) -> tuple[Tree, Tree]:
        cols, col_side = visitor
        d_rows, d_shared = home
        d_cols = ranks.vary(zeros_like(cols[0]))
        d_rows, d_cols, d_shared = pull_back(
            job, rows, cols, shared, row_side, col_side, (d_rows, d_cols, d_shared)
        )
        return (d_rows, d_shared), d_cols

    home = ranks.vary(zeros_like((rows[0], shared[0])))
    (d_rows, d_shared), d_cols = _tour(
        ranks, visit, lambda a, b: jax.tree.map(jnp.add, a, b), home, (cols, col_side)
    )
    return d_rows, d_cols, ranks.total(d_shared)


def _tour(
    ranks: Ranks,
    visit: Callable[[Any, Any], tuple[Tree, Tree]],
    merge: Callable[[Tree, Tree], Tree],
    home: Tree,
    cols: Tree,
) -> tuple[Tree, Tree]:
    """Takes the columns of every device to all devices, and what they collect there back home.

    On arrival `visit(home, cols) -> (home, part)` uses them; `home` stays on its device and the
    parts of one device's columns are merged on the way. The columns start with a hop and are used
    on their own device last, so both they and the merged parts make `count - 1` hops, not `count`.
    No hop waits for the tiles of the visit beside it, so that the two can overlap.

    Returns:
      `home` after all visits, and the merged parts of this device's own columns.
    """
    if ranks.count == 1:
        return visit(home, cols)

    def step(home: Tree, parts: Tree, here: Tree) -> tuple[Tree, Tree]:
        arriving = ranks.shift(parts)
        home, part = visit(home, here)
        return home, merge(arriving, part)

    here = ranks.shift(cols)
    if ranks.count == 2:
        return step(*visit(home, here), cols)
    ahead = ranks.shift(here)
    home, parts = visit(home, here)

    def hop(_: jax.Array, carry: tuple[Tree, Tree, Tree]) -> tuple[Tree, Tree, Tree]:
        home, parts, here = carry
        ahead = ranks.shift(here)
        return *step(home, parts, here), ahead

    home, parts, here = jax.lax.fori_loop(2, ranks.count - 1, hop, (home, parts, ahead))

    # The last two visits have no columns to send on. A loop of two turns, so that it is compiled
    # once, and its gradients begin at zero when they are needed and not before.
    def end(_: jax.Array, carry: tuple[Tree, Tree, Tree, Tree]) -> tuple[Tree, Tree, Tree, Tree]:
        home, parts, here, cols = carry
        return *step(home, parts, here), cols, cols

    home, parts, _, _ = jax.lax.fori_loop(0, 2, end, (home, parts, here, cols))
    return home, parts


def _length(tree: Tree) -> int:
    return len(jax.tree.leaves(tree)[0])


STREAMED = {
    "gather": Streamed(_gather_forward, _gather_backward),
    "ring": Streamed(_ring_forward, _ring_backward),
}

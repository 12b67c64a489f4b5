"""One device's block of the score matrix, walked tile by tile, forward and backward.

Nothing here communicates. `Job` says what is computed; `accumulate` adds a block to statistics,
`pull_back` adds a block to gradients, recomputing each tile instead of keeping it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmjax.parallel.pairwise.reductions import Reduction

Tree = Any  # a pytree of arrays
Index = jax.Array | int
Grads = tuple[Tree, Tree, Tree]  # of rows, columns and what they share


class Job(NamedTuple):
    """A pairwise reduction: what every schedule needs to know besides the data.

    `tiles` has the structure of what `score` returns: one leaf for every matrix that is reduced.
    Statistics and results are None for a side (rows or columns) that is not wanted.
    """

    score: Callable[[Tree, Tree, Tree], Tree]
    reduction: Reduction
    tiles: Tree
    tile: int

    def transposed(self) -> "Job":
        """The same reduction with rows and columns in each other's place."""

        def score(cols: Tree, rows: Tree, shared: Tree) -> Tree:
            return jax.tree.map(jnp.transpose, self.score(rows, cols, shared))

        return self._replace(score=score)

    def start(self, n: int) -> Tree:
        return jax.tree.map(lambda _: self.reduction.start(n), self.tiles)

    def add(self, stats: Tree, tiles: Tree, axis: int) -> Tree:
        return jax.tree.map(lambda t, s: self.reduction.add(s, t, axis), tiles, stats)

    def merge(self, a: Tree, b: Tree) -> Tree:
        if a is None:
            return None
        return jax.tree.map(lambda _, x, y: self.reduction.merge(x, y), self.tiles, a, b)

    def finish(self, stats: Tree) -> Tree:
        if stats is None:
            return None
        return jax.tree.map(lambda _, s: self.reduction.finish(s), self.tiles, stats)

    def side(self, stats: Tree, cotangents: Tree) -> Tree:
        if stats is None:
            return None
        return jax.tree.map(
            lambda _, s, g: self.reduction.side(s, g), self.tiles, stats, cotangents
        )

    def cotangent(self, tiles: Tree, side: Tree, axis: int) -> Tree:
        return jax.tree.map(lambda t, s: self.reduction.cotangent(t, s, axis), tiles, side)


@dataclasses.dataclass(frozen=True)
class Cut:
    """`size` rows in `count` tiles of `width` rows; the last tile overlaps the one before it.

    Overlapping instead of padding keeps every tile full of real rows, for which the derivatives of
    a score are finite; rows that an earlier tile has had are blanked by `fresh`.
    """

    size: int
    count: int
    width: int

    @classmethod
    def of(cls, size: int, tile: int) -> "Cut":
        count = -(-size // tile)
        return cls(size, count, -(-size // count))

    def begin(self, i: Index) -> jax.Array:
        return jnp.minimum(i * self.width, self.size - self.width)

    def take(self, tree: Tree, i: Index) -> Tree:
        """Tile `i` of every leaf."""
        if self.count == 1:
            return tree
        at = self.begin(i)
        return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, at, self.width, axis=0), tree)

    def put(self, tree: Tree, i: Index, part: Tree) -> Tree:
        """`tree` with tile `i` replaced by `part`."""
        if self.count == 1:
            return part
        at = self.begin(i)
        return jax.tree.map(
            lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, at, axis=0), tree, part
        )

    def fresh(self, i: Index) -> jax.Array | None:
        """bool[width]: which rows of tile `i` no earlier tile has had; None if all of all tiles."""
        if self.count * self.width == self.size:
            return None
        return self.begin(i) + jnp.arange(self.width) >= i * self.width


def accumulate(
    job: Job, rows: Tree, cols: Tree, shared: Tree, row_stats: Tree, col_stats: Tree
) -> tuple[Tree, Tree]:
    """Adds the scores of `rows` x `cols` to the statistics of either side (None: not wanted)."""
    r, c = Cut.of(_length(rows), job.tile), Cut.of(_length(cols), job.tile)

    def over_rows(i: jax.Array, carry: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        row_stats, col_stats = carry
        row_tile = r.take(rows, i)

        def over_cols(j: jax.Array, carry: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
            row_part, col_stats = carry
            tiles = job.score(row_tile, c.take(cols, j), shared)
            tiles = _blank(tiles, r.fresh(i), c.fresh(j), job.reduction.blank)
            if row_part is not None:
                row_part = job.add(row_part, tiles, axis=1)
            if col_stats is not None:
                part = job.add(c.take(col_stats, j), tiles, axis=0)
                col_stats = c.put(col_stats, j, part)
            return row_part, col_stats

        part, col_stats = jax.lax.fori_loop(
            0, c.count, over_cols, (r.take(row_stats, i), col_stats)
        )
        return r.put(row_stats, i, part), col_stats

    after: tuple[Tree, Tree] = jax.lax.fori_loop(0, r.count, over_rows, (row_stats, col_stats))
    return after


def pull_back(
    job: Job, rows: Tree, cols: Tree, shared: Tree, row_side: Tree, col_side: Tree, grads: Grads
) -> Grads:
    """Adds the gradients that the scores of `rows` x `cols` send, to `grads`.

    Args:
      rows, cols, shared: `(floating leaves, other leaves)` of each, as `partition` splits them.
      row_side, col_side: `Reduction.side` of every matrix, or None for a side without results.
      grads: f32 gradients with respect to the floating leaves of `rows`, `cols` and `shared`.

    Returns:
      The new `grads`.
    """
    r, c = Cut.of(_length(rows), job.tile), Cut.of(_length(cols), job.tile)
    shared_floats, shared_rest = shared

    def over_rows(i: jax.Array, carry: Grads) -> Grads:
        d_rows, d_cols, d_shared = carry
        row_floats, row_rest = r.take(rows, i)
        row_part = r.take(row_side, i)

        def over_cols(j: jax.Array, carry: Grads) -> Grads:
            d_row_tile, d_cols, d_shared = carry
            col_floats, col_rest = c.take(cols, j)
            tiles, vjp = jax.vjp(
                lambda a, b, s: job.score(
                    combine(a, row_rest), combine(b, col_rest), combine(s, shared_rest)
                ),
                row_floats,
                col_floats,
                shared_floats,
            )
            d_tiles = None
            for side, axis in ((row_part, 1), (c.take(col_side, j), 0)):
                if side is not None:
                    part = job.cotangent(tiles, side, axis)
                    d_tiles = part if d_tiles is None else jax.tree.map(jnp.add, d_tiles, part)
            d_tiles = _blank(d_tiles, r.fresh(i), c.fresh(j), 0.0)
            d_row, d_col, d_sh = vjp(d_tiles)
            d_cols = c.put(d_cols, j, _add(c.take(d_cols, j), d_col))
            return _add(d_row_tile, d_row), d_cols, _add(d_shared, d_sh)

        d_row_tile, d_cols, d_shared = jax.lax.fori_loop(
            0, c.count, over_cols, (r.take(d_rows, i), d_cols, d_shared)
        )
        return r.put(d_rows, i, d_row_tile), d_cols, d_shared

    after: Grads = jax.lax.fori_loop(0, r.count, over_rows, grads)
    return after


def partition(tree: Tree) -> tuple[Tree, Tree]:
    """Splits a pytree into its floating leaves, which have gradients, and the others."""

    def is_float(leaf: jax.Array) -> bool:
        return jnp.issubdtype(leaf.dtype, jnp.floating)

    return (
        jax.tree.map(lambda leaf: leaf if is_float(leaf) else None, tree),
        jax.tree.map(lambda leaf: None if is_float(leaf) else leaf, tree),
    )


def combine(floats: Tree, rest: Tree) -> Tree:
    """Undoes `partition`."""
    return jax.tree.map(
        lambda a, b: b if a is None else a, floats, rest, is_leaf=lambda leaf: leaf is None
    )


def zeros_like(floats: Tree) -> Tree:
    """f32 zeros in the shapes of `floats`: gradients add up in f32 whatever the features are."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), floats)


def _add(total: Tree, part: Tree) -> Tree:
    return jax.tree.map(lambda a, b: a + b.astype(a.dtype), total, part)


def _blank(
    tiles: Tree, fresh_rows: jax.Array | None, fresh_cols: jax.Array | None, value: float
) -> Tree:
    """Replaces the scores of rows and columns that an earlier tile has had."""
    if fresh_rows is None and fresh_cols is None:
        return tiles
    fresh: jax.Array | bool = True
    if fresh_rows is not None:
        fresh = fresh & fresh_rows[:, None]
    if fresh_cols is not None:
        fresh = fresh & fresh_cols[None, :]
    return jax.tree.map(lambda t: jnp.where(fresh, t, value), tiles)


def _length(tree: Tree) -> int:
    return len(jax.tree.leaves(tree)[0])

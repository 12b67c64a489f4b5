"""Sums over all columns for every row, tile by tile, so that no [rows, columns] array ever exists.

The evaluators' counterpart of `mmjax.parallel.pairwise`: no gradients, one number (or a few) per
row. Memory on the device is O(columns D + row tile x column tile).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ROW_TILE = 512
COLUMN_TILE = 2048

Arrays = Mapping[str, jax.Array]


def scores(rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray) -> jax.Array:
    """Dot products f32[r,c] of f32[r,D] and f32[c,D], in full float32 on every kind of device."""
    # The default precision is bfloat16 on TPU and TF32 on some GPUs: enough to reorder answers.
    return jnp.einsum("rd,cd->rc", rows, columns, precision=jax.lax.Precision.HIGHEST)


@partial(jax.jit, static_argnums=0)
def _row_tile(
    function: Callable[..., Any], constants: Any, rows: Any, columns: Any, real: jax.Array
) -> Any:
    """`columns` and `real` are [tiles, column tile, ...]; rows are [row tile, ...]."""

    def step(total: Any, block: tuple[Any, jax.Array]) -> tuple[Any, None]:
        part = function(constants, rows, *block)
        return jax.tree.map(jnp.add, total, part), None

    shapes = jax.eval_shape(
        function, constants, rows, jax.tree.map(lambda c: c[0], columns), real[0]
    )
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    return jax.lax.scan(step, zeros, (columns, real))[0]


def sum_over_columns(
    function: Callable[[Any, Any, Any, jax.Array], Any],
    count: int,
    rows: Callable[[slice], Any],
    columns: Any,
    constants: Any = (),
    row_tile: int = ROW_TILE,
    column_tile: int = COLUMN_TILE,
) -> Any:
    """For every row, the sum of a function over all columns.

    Args:
      function: `(constants, row tile, column tile, real bool[c]) -> pytree of [r, ...]`, the sums
        over one tile of columns; columns that are not `real` are padding and must not count. A
        module-level function, because it is compiled once per identity.
      count: number of rows, at least one.
      rows: gives the rows of a slice, a pytree of arrays [r, ...]; rows that are gathered from
        elsewhere then exist one tile at a time.
      columns: pytree of arrays [columns, ...], at least one column.
      constants: pytree of scalars.
      row_tile, column_tile: sizes of a tile; they need not divide anything.

    Returns:
      The pytree that `function` returns, with arrays [count, ...] in host memory. Every process of
      a run computes all of it, on one device of its own.
    """
    total = jax.tree.leaves(columns)[0].shape[0]
    column_tile, row_tile = min(column_tile, total), min(row_tile, count)
    tiles = -(-total // column_tile)

    def blocked(column: Any) -> jax.Array:
        padded = _pad(np.asarray(column), tiles * column_tile)
        return jnp.asarray(padded.reshape(tiles, column_tile, *padded.shape[1:]))

    columns = jax.tree.map(blocked, columns)
    real = blocked(np.ones(total, bool))
    parts = []
    for start in range(0, count, row_tile):
        tile = rows(slice(start, min(start + row_tile, count)))
        # Padding the last tile keeps one shape, hence one compilation.
        tile = jax.tree.map(lambda row: _pad(row, row_tile), tile)
        parts.append(jax.device_get(_row_tile(function, constants, tile, columns, real)))
    return jax.tree.map(lambda *p: np.concatenate(p)[:count], *parts)


def _pad(array: np.ndarray, size: int) -> np.ndarray:
    return np.pad(array, [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1))

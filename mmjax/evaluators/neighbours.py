"""The nearest of a gallery for each query: exact, and never all scores at once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

ROWS, COLUMNS = 1024, 1 << 16  # of a tile: a quarter of a GB of scores


class Found(NamedTuple):
    """What was found for Q queries.

    Attributes:
      scores: f32[Q, k], cosines, the highest first.
      positions: i32[Q, k], rows of the gallery.
    """

    scores: np.ndarray
    positions: np.ndarray


class Gallery:
    """Rows to search among, on the device, in tiles of one shape.

    Args:
      rows: f32[N, D], N at least 1.
      columns: rows of the gallery in a tile of scores.
    """

    def __init__(self, rows: np.ndarray, columns: int = COLUMNS):
        self._size, self._columns = len(rows), min(columns, len(rows))
        self._tiles = [
            _filled(rows[begin : begin + self._columns], self._columns)
            for begin in range(0, len(rows), self._columns)
        ]

    def nearest(self, query: np.ndarray, k: int, rows: int = ROWS) -> Found:
        """The `k` rows with the highest dot products, for each query.

        Args:
          query: f32[Q, D].
          k: how many; all of the gallery where it is smaller.
          rows: queries in a tile of scores.

        Returns:
          Found; of equal scores, the one earlier in the gallery comes first.
        """
        k, rows = min(k, self._size), min(rows, max(len(query), 1))
        scores, positions = [np.zeros((0, k), np.float32)], [np.zeros((0, k), np.int32)]
        for start in range(0, len(query), rows):
            part = query[start : start + rows]
            asked = _filled(part, rows)
            best = jnp.full((rows, k), -jnp.inf, jnp.float32), jnp.zeros((rows, k), jnp.int32)
            for number, tile in enumerate(self._tiles):
                begin = number * self._columns
                best = _better(asked, tile, *best, begin, min(self._columns, self._size - begin))
            scores.append(np.asarray(best[0])[: len(part)])
            positions.append(np.asarray(best[1])[: len(part)])
        return Found(np.concatenate(scores), np.concatenate(positions))


def _filled(part: np.ndarray, size: int) -> jax.Array:
    """f32[size, D] on the device, zeros behind the part."""
    missing = size - len(part)
    return jnp.asarray(np.pad(part, ((0, missing), (0, 0))) if missing else part)


@jax.jit
def _better(
    query: jax.Array,
    tile: jax.Array,
    scores: jax.Array,
    positions: jax.Array,
    begin: jax.Array,
    size: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The best of what was found before and of a tile, of which the first `size` rows are real."""
    found = jnp.matmul(query, tile.T, precision="highest")
    found = jnp.where(jnp.arange(tile.shape[0]) < size, found, -jnp.inf)
    found, where = jax.lax.top_k(found, min(scores.shape[1], tile.shape[0]))
    # Earlier ones stand first: `top_k` takes the first of equal scores.
    every = jnp.concatenate([scores, found], axis=1)
    places = jnp.concatenate([positions, begin + where.astype(jnp.int32)], axis=1)
    top, which = jax.lax.top_k(every, scores.shape[1])
    return top, jnp.take_along_axis(places, which, axis=1)

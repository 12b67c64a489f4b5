"""Boxes of an image on the grid of its patches."""

import jax
import jax.numpy as jnp

_EDGE = 1e-6  # of an image's side: boxes that end where a patch begins do not overlap it


def overlaps(boxes: jax.Array, grid: tuple[int, int]) -> jax.Array:
    """bool[B, M, T]: patches of a grid that boxes overlap, at least that of their centre.

    Args:
      boxes: f32[B, M, 4], (left, top, width, height) as shares of the image; one without width or
        height overlaps nothing.
      grid: (rows, columns) of the T patches, row by row.
    """
    along = []
    for axis, count in ((1, grid[0]), (0, grid[1])):
        start, size = boxes[..., axis, None], boxes[..., axis + 2, None]
        low = jnp.arange(count) / count
        shared = jnp.minimum(start + size, low + 1 / count) - jnp.maximum(start, low)
        middle = jnp.clip(jnp.floor((start + size / 2) * count), 0, count - 1)
        along.append((size > 0) & ((shared > _EDGE) | (middle == jnp.arange(count))))
    down, across = along
    both: jax.Array = down[..., :, None] & across[..., None, :]
    return both.reshape(*boxes.shape[:2], -1)

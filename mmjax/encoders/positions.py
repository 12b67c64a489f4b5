"""Positions on a two-dimensional grid, and how to carry learned ones to another grid."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.encoders.base import EncoderError


def check_sincos_width(width: int) -> None:
    """Raises EncoderError for a width that `sincos_2d` cannot fill."""
    if width % 4 or width < 8:
        raise EncoderError(
            f"width={width}: sincos positions need a width of 8 or more, divisible by 4"
        )


def sincos_2d(grid: tuple[int, int], width: int, temperature: float = 10_000.0) -> np.ndarray:
    """Fixed sine and cosine positions of a grid (Chen et al. 2021, MoCo v3, section 4).

    A quarter of the width each for the sine and cosine of the column and of the row, at
    frequencies temperature^(-k / (W/4 - 1)).

    Args:
      grid: (rows, columns).
      width: W, divisible by 4.
      temperature: the longest wavelength is 2 pi times this.

    Returns:
      f32[rows * columns, W], row by row.
    """
    check_sincos_width(width)
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    frequency = temperature ** -np.linspace(0, 1, width // 4)
    y, x = rows.reshape(-1, 1) * frequency, columns.reshape(-1, 1) * frequency
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1).astype(np.float32)


def interpolate(
    positions: jax.Array,
    grid: tuple[int, int],
    new_grid: tuple[int, int],
    *,
    prefix: int = 0,
    method: str = "bicubic",
) -> jax.Array:
    """Learned positions of one grid, resampled for another, so that weights fit another image size.

    Args:
      positions: f[prefix + rows * columns, W].
      grid: (rows, columns) of `positions`.
      new_grid: (rows, columns) wanted.
      prefix: how many leading positions are no part of the grid (a class token) and stay as is.
      method: of `jax.image.resize`; antialiased where the grid shrinks.

    Returns:
      f[prefix + new_rows * new_columns, W].
    """
    if positions.shape[0] != prefix + grid[0] * grid[1]:
        raise EncoderError(
            f"{positions.shape[0]} positions are not {prefix} + {grid[0]} x {grid[1]}: "
            "give the grid and the prefix that they were learned with"
        )
    if grid == new_grid:
        return positions
    image = positions[prefix:].reshape(*grid, -1)
    image = jax.image.resize(image, (*new_grid, image.shape[-1]), method)
    return jnp.concatenate([positions[:prefix], image.reshape(-1, image.shape[-1])])

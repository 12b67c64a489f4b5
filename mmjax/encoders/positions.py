"""Positions on a grid, and how to carry learned ones to another grid."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.encoders.base import EncoderError


def check_sincos_width(width: int, axes: int = 2) -> None:
    """Raises EncoderError for a width that `sincos` cannot fill for a grid of so many axes."""
    if width % (2 * axes) or width < 4 * axes:
        raise EncoderError(
            f"width={width}: sincos positions need a width of {4 * axes} or more, divisible by "
            f"{2 * axes}"
        )


def sincos(grid: tuple[int, ...], width: int, temperature: float = 10_000.0) -> np.ndarray:
    """Fixed sine and cosine positions of a grid (Chen et al. 2021, MoCo v3, section 4).

    Each of the n axes, the last one first, has an equal part of the width: half of it for the sine
    and half for the cosine of the coordinate, at frequencies temperature^(-k / (W/2n - 1)).

    Args:
      grid: the number of patches along each axis, such as (rows, columns).
      width: W, divisible by 2n.
      temperature: the longest wavelength is 2 pi times this.

    Returns:
      f32[product of grid, W], the last axis fastest.
    """
    axes = len(grid)
    check_sincos_width(width, axes)
    frequency = temperature ** -np.linspace(0, 1, width // (2 * axes))
    parts = []
    for coordinate in np.mgrid[tuple(slice(count) for count in grid)][::-1]:
        angle = coordinate.reshape(-1, 1) * frequency
        parts += [np.sin(angle), np.cos(angle)]
    return np.concatenate(parts, axis=1).astype(np.float32)


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


def at_places(positions: jax.Array, places: jax.Array, sizes: jax.Array) -> jax.Array:
    """Learned positions of one grid at places of grids of other sizes, one of them an example.

    What a linear, antialiased resize of the grid has there (`jax.image.resize` with 'linear', and
    torch's `interpolate` with mode='bilinear', antialias=True), for sizes that only the data know.

    Args:
      positions: f[R, C, W].
      places: f[B, N, 2], row and column of each place.
      sizes: f[B, 2], rows and columns of each example's grid.

    Returns:
      f[B, N, W].
    """
    weights = []
    for axis in range(2):
        ratio = positions.shape[axis] / sizes[:, axis, None]  # of old places a new one
        centre = (places[..., axis] + 0.5) * ratio - 0.5
        distance = jnp.abs(jnp.arange(positions.shape[axis]) - centre[..., None])
        weight = jnp.maximum(1 - distance / jnp.maximum(ratio, 1)[..., None], 0)
        weights.append(weight / weight.sum(axis=-1, keepdims=True))
    rows, columns = weights
    both = rows[..., :, None] * columns[..., None, :]
    flat = both.reshape(*both.shape[:2], -1)
    return flat @ positions.reshape(-1, positions.shape[-1])


# Of 77 positions the first 20, which are well trained, stay as they are.
_KEPT = 20 / 77


def stretch(positions: np.ndarray, length: int) -> np.ndarray:
    """Learned positions of texts, for another length.

    For a shorter one the first are taken. For a longer one the first 20 of 77 (of other numbers the
    same share) stay, and the rest is interpolated linearly, from the first of them to the last
    (Zhang et al. 2024, Long-CLIP, arXiv 2403.15378, section 3.1).

    Args:
      positions: f[T, W].
      length: wanted.

    Returns:
      f[length, W].
    """
    old = len(positions)
    if length <= old:
        return positions[:length]
    kept = round(_KEPT * old)
    places = np.linspace(0, old - kept - 1, length - kept)
    rest, below = positions[kept:], np.floor(places).astype(int)
    above, share = np.minimum(below + 1, old - kept - 1), (places - below)[:, None]
    between = (1 - share) * rest[below] + share * rest[above]
    return np.concatenate([positions[:kept], between.astype(positions.dtype)])

"""Relative positions: what attention itself is told of where a query and a key are.

Three ways, which go together: rotations of queries and keys (Su et al. 2021, RoFormer), a learned
number for each distance that is added to the scores (Shaw et al. 2018, as T5 and MPNet have it),
and windows beyond which nothing is seen (Beltagy et al. 2020, Longformer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.encoders.base import EncoderError, check_choice
from mmjax.schema.bounds import Count, CountOrZero, Positive

_FARTHEST = 128  # positions; all distances beyond share the last bucket


class Relative(NamedTuple):
    """What one block is told; in front of its axes, K kinds of blocks where there are several.

    Attributes:
      bias: f[N, T, S], added to the scores of N heads.
      rotary: f[2, T, H / 2], cosine and sine of the angles by which the pairs (i, i + H / 2) of
        queries and keys are turned.
      window: bool[T, S], what a position may see.
    """

    bias: jax.Array | None = None
    rotary: jax.Array | None = None
    window: jax.Array | None = None


@dataclass(frozen=True)
class Rotary:
    """Rotary positions of a sequence, base^(-2i / H) radians a position for the pair i of H / 2.

    ModernBERT (Warner et al. 2024, arXiv 2412.13663): base=160000, window=64, every=3.

    Attributes:
      base: of the frequencies.
      window: how many positions to each side the blocks see, but for each `every`-th, starting with
        the first, which sees all; 0 for no such blocks.
      window_base: of the frequencies in blocks that see a window.
      every: see `window`.
    """

    base: Positive = 10_000.0
    window: CountOrZero = 0
    window_base: Positive = 10_000.0
    every: Count = 3

    def kinds(self, depth: int) -> tuple[int, ...]:
        """Of each block, which of those of `relative` it is told."""
        return tuple(int(self.window > 0 and i % self.every > 0) for i in range(depth))

    def relative(self, length: int, size: int) -> Relative:
        """Of `length` positions and heads of `size`, with a leading axis of kinds."""
        steps = np.arange(size // 2) * (-2 / size)
        places = np.arange(length)
        bases = (self.base, self.window_base) if self.window else (self.base,)
        angles = np.stack([places[:, None] * base**steps for base in bases])
        window = None
        if self.window:
            near = np.abs(places[:, None] - places) <= self.window
            window = jnp.asarray(np.stack([np.ones_like(near), near]))
        return Relative(rotary=_turns(angles), window=window)


Coordinates = Literal["centred", "index"]


@dataclass(frozen=True)
class GridRotary:
    """Rotary positions of a grid of two axes, each of which turns a half of the pairs.

    The pair i of H / 4 of an axis turns by coordinate x base^(-4i / H) radians.

    Attributes:
      base: of the frequencies.
      coordinates: `centred`, 2 pi times the centre of a patch in the image, which is from -1 to 1
        (DINOv3, Simeoni et al. 2025, arXiv 2508.10104); or `index`, 1, 2, 3, ... (Perception
        Encoder, Bolya et al. 2025, arXiv 2504.13181).
      reference: grid that `index` is of; it is scaled on others. None scales nothing.
    """

    base: Positive = 100.0
    coordinates: Coordinates = "centred"
    reference: tuple[Count, Count] | None = None

    def __post_init__(self) -> None:
        check_choice("coordinates", self.coordinates, Coordinates)

    def relative(self, grid: tuple[int, ...], size: int, prefix: int) -> Relative:
        """Of a grid, row by row, behind `prefix` positions that are not turned; one kind."""
        frequency = self.base ** (np.arange(size // 4) * (-4 / size))
        axes: list[np.ndarray] = []
        for places in np.indices(grid).reshape(2, -1):
            count, axis = grid[len(axes)], len(axes)
            at: np.ndarray
            if self.coordinates == "centred":
                at = 2 * math.pi * ((2 * places + 1) / count - 1)
            else:
                at = (places + 1) * (self.reference[axis] / count if self.reference else 1.0)
            axes.append(at[:, None] * frequency)
        angles = np.concatenate(axes, axis=1)
        return Relative(rotary=_turns(np.pad(angles, ((prefix, 0), (0, 0)))[None]))


def check_rotary(width: int, heads: int, parts: int) -> None:
    """Raises EncoderError for heads whose size cannot be divided into so many parts."""
    if heads < 1 or width % (heads * parts):
        raise EncoderError(
            f"width={width} and heads={heads}: rotary positions need heads of a size divisible by "
            f"{parts}"
        )


def rotate(x: jax.Array, rotary: jax.Array) -> jax.Array:
    """Queries or keys f[B, T, N, H], each pair (i, i + H / 2) turned, f[2, T, H / 2]."""
    a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = rotary[:, :, None]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1).astype(x.dtype)


def buckets(length: int, count: int) -> np.ndarray:
    """The bucket of each distance from a query (row) to a key, i32[length, length].

    Half of the `count` buckets are of keys behind the query. Of each half the first half has one
    distance each, and the rest grows by a factor, up to 128 (Raffel et al. 2020, T5).
    """
    places = np.arange(length)
    distance = places - places[:, None]
    half = count // 2
    exact = half // 2
    away = np.abs(distance)
    # As in float32 there, where this decides a bucket.
    ratio = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(exact))
    far = exact + (ratio / math.log(_FARTHEST / exact) * (half - exact)).astype(np.int32)
    bucket = np.where(away < exact, away, np.minimum(far, half - 1))
    found: np.ndarray = bucket + half * (distance > 0)
    return found.astype(np.int32)


def _turns(angles: np.ndarray) -> jax.Array:
    """f[K, T, H / 2] -> cosine and sine, f32[K, 2, T, H / 2]."""
    return jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1), jnp.float32)

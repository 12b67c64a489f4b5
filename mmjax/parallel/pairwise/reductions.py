"""Reductions of the tiles of a score matrix: running statistics of its rows and columns.

A reduction is a commutative monoid with a known derivative. That is all a schedule needs: tiles may
be added to the statistics in any order and on any device, and the cotangent of a tile follows from
the final statistics alone, so that no tile has to be kept for the backward pass.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp

Stats = Any  # a pytree of f32[n]
Exponentials = tuple[jax.Array, jax.Array]  # a maximum, and a sum relative to it


class Reduction(Protocol):
    """A way to reduce the scores of each row and column; statistics are pytrees of f32[n]."""

    blank: float  # the score that changes nothing

    def start(self, n: int) -> Stats:
        """Statistics of `n` rows (or columns) before any score."""
        ...

    def add(self, stats: Stats, tile: jax.Array, axis: int) -> Stats:
        """Statistics after the scores of `tile`, f32[r, c], reduced over `axis`."""
        ...

    def merge(self, a: Stats, b: Stats) -> Stats:
        """Statistics of two disjoint sets of scores together."""
        ...

    def finish(self, stats: Stats) -> jax.Array:
        """The result f32[n]."""
        ...

    def side(self, stats: Stats, cotangent: jax.Array) -> Stats:
        """What `cotangent` of a tile needs: a pytree of f32[n].

        Args:
          stats: the final statistics of one side (rows or columns).
          cotangent: f32[n], that of their result.
        """
        ...

    def cotangent(self, tile: jax.Array, side: Stats, axis: int) -> jax.Array:
        """Cotangent of `tile`, f32[r, c], by way of the results that reduce it over `axis`."""
        ...


class LogSumExp:
    """log Σ exp, by an online maximum and a sum of exponentials relative to it.

    Rows without any score above -inf give -inf, and no gradient.
    """

    blank = -jnp.inf

    def start(self, n: int) -> Exponentials:
        return jnp.full(n, -jnp.inf, jnp.float32), jnp.zeros(n, jnp.float32)

    def add(self, stats: Exponentials, tile: jax.Array, axis: int) -> Exponentials:
        maximum, total = stats
        top = jnp.maximum(maximum, jax.lax.stop_gradient(tile.max(axis)))
        base = _finite(top)
        part = jnp.exp(tile - jnp.expand_dims(base, axis)).sum(axis)
        return top, total * jnp.exp(maximum - base) + part

    def merge(self, a: Exponentials, b: Exponentials) -> Exponentials:
        top = jnp.maximum(a[0], b[0])
        base = _finite(top)
        return top, a[1] * jnp.exp(a[0] - base) + b[1] * jnp.exp(b[0] - base)

    def finish(self, stats: Exponentials) -> jax.Array:
        maximum, total = stats
        # `where` twice: log(0) must not be differentiated even where its value is not used.
        empty = total == 0
        return jnp.where(empty, -jnp.inf, _finite(maximum) + jnp.log(jnp.where(empty, 1.0, total)))

    def side(self, stats: Exponentials, cotangent: jax.Array) -> Exponentials:
        # Not exp(tile - result): a result near 1000 is rounded by 3e-5, and the gradient would be.
        maximum, total = stats
        return _finite(maximum), jnp.where(total == 0, 0.0, cotangent / total)

    def cotangent(self, tile: jax.Array, side: Exponentials, axis: int) -> jax.Array:
        base, weight = (jnp.expand_dims(leaf, axis) for leaf in side)
        # Where every score is -inf the base is 0, and exp(-inf - 0) = 0.
        return jnp.exp(tile - base) * weight


class Sum:
    """Σ of the scores."""

    blank = 0.0

    def start(self, n: int) -> jax.Array:
        return jnp.zeros(n, jnp.float32)

    def add(self, stats: jax.Array, tile: jax.Array, axis: int) -> jax.Array:
        return stats + tile.sum(axis)

    def merge(self, a: jax.Array, b: jax.Array) -> jax.Array:
        return a + b

    def finish(self, stats: jax.Array) -> jax.Array:
        return stats

    def side(self, stats: jax.Array, cotangent: jax.Array) -> jax.Array:
        return cotangent

    def cotangent(self, tile: jax.Array, side: jax.Array, axis: int) -> jax.Array:
        return jnp.broadcast_to(jnp.expand_dims(side, axis), tile.shape)


def _finite(x: jax.Array) -> jax.Array:
    """`x` with -inf replaced by 0: a reference for exponentials that never gives inf - inf."""
    return jnp.where(x == -jnp.inf, 0.0, x)

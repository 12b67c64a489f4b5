"""Prompts: learned vectors among the positions of a transformer."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Prompts(NamedTuple):
    """Learned vectors for some successive blocks of a transformer.

    They stand behind the first position (a class token or the beginning of a text), carry no
    position of their own, and are attended to by what may attend to their place. An encoder takes
    them out of what its transformer gives, and so reads its positions where they were.

    Attributes:
      values: f[J, n, W], what n positions hold before blocks `first` .. `first + J - 1`.
      first: the block before which they are put in.
      blend: β: a later block of these gets β times its own values and 1 - β times what the block
        before it made of the positions.
    """

    values: jax.Array
    first: int = 0
    blend: float = 1.0


def put_in(x: jax.Array, values: jax.Array) -> jax.Array:
    """f[B, T, W] and f[n, W] -> f[B, 1 + n + T - 1, W]."""
    own = jnp.broadcast_to(values.astype(x.dtype), (x.shape[0], *values.shape))
    return jnp.concatenate([x[:, :1], own, x[:, 1:]], axis=1)


def put_in_place(x: jax.Array, values: jax.Array, blend: float = 1.0) -> jax.Array:
    """`x`, in which n positions hold prompts, with others, or `blend` of others, in their place."""
    count = len(values)
    if blend == 1.0:
        return put_in(take_out(x, count), values)
    own = blend * values.astype(x.dtype) + (1 - blend) * x[:, 1 : 1 + count]
    return jnp.concatenate([x[:, :1], own, x[:, 1 + count :]], axis=1)


def parted(x: jax.Array, prompts: Prompts | None) -> tuple[jax.Array, jax.Array | None]:
    """f[B, T + n, W] without its prompts, f[B, T, W], and these, f[B, n, W]; (x, None) without."""
    if prompts is None:
        return x, None
    count = prompts.values.shape[1]
    return take_out(x, count), x[:, 1 : 1 + count]


def take_out(x: jax.Array, count: int) -> jax.Array:
    """`x` [B, T, ...] without `count` prompts."""
    return jnp.concatenate([x[:, :1], x[:, 1 + count :]], axis=1)

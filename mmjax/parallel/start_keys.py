"""Keys of the numbers that a model starts with, whose draws compile fast.

JAX makes the bits of a random array from the places of its numbers, in a loop that is compiled anew
for every shape: with the many shapes of a model that is a large part of the time until a small
run's first step. Here bits are made in pieces of one size by one function, which the compiler sees
once. They are the same bits, so a seed gives the same model.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import random as generators

_BITS = 16
# Numbers. Of a small array the rest of its piece is made in vain, in a tenth of a millisecond.
PIECE = 1 << _BITS
_THREEFRY = generators.threefry_prng_impl


def start_key(seed: int | jax.Array) -> jax.Array:
    """A key for arrays on one device that gives the numbers of `jax.random.key(seed)`.

    Not for arrays that are split over devices: each device would make all of the numbers. Where
    jax is told to use another generator, it is that one's key.
    """
    config: Any = jax.config
    if config.jax_default_prng_impl != "threefry2x32" or not config.jax_threefry_partitionable:
        return jax.random.key(seed)
    return jax.random.key(seed, impl=_in_pieces())


@functools.cache
def _in_pieces() -> Any:
    """The generator, defined when it is first asked for."""
    return generators.define_prng_impl(
        key_shape=_THREEFRY.key_shape,
        seed=_THREEFRY.seed,
        split=_THREEFRY.split,
        random_bits=_random_bits,
        fold_in=_THREEFRY.fold_in,
        name="threefry2x32_in_pieces",
        tag="fryp",
    )


_own_bits: Callable[[jax.Array, int, tuple[int, ...]], jax.Array] = _THREEFRY.random_bits


def _random_bits(key: jax.Array, width: int, shape: tuple[int, ...]) -> jax.Array:
    """Bits of `width` for each place, u32[shape] of 32, as jax's own generator makes them."""
    size = math.prod(shape)
    if width != 32 or not size:
        return _own_bits(key, width, shape)
    count = -(-size // PIECE)
    if count == 1:
        made = _piece(key, jnp.uint32(0))
    else:
        number = jnp.arange(count, dtype=jnp.uint32)
        made = jax.lax.map(functools.partial(_piece, key), number).reshape(-1)
    bits: jax.Array = made[:size].reshape(shape)
    return bits


@jax.jit
def _piece(key: jax.Array, number: jax.Array) -> jax.Array:
    """The bits u32[PIECE] of the places from `number` x PIECE on, each counted in 64 bits."""
    low = (number << _BITS) | jax.lax.iota(jnp.uint32, PIECE)
    high = jnp.broadcast_to(number >> (32 - _BITS), (PIECE,))
    first, second = (jnp.broadcast_to(part, (PIECE,)) for part in key)
    one, other = generators.threefry2x32_p.bind(first, second, high, low)
    bits: jax.Array = one ^ other
    return bits

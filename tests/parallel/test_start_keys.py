"""Keys that compile fast give the bits of jax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.parallel.start_keys import PIECE, start_key

SHAPES = [(), (3,), (0, 4), (5, 7), (PIECE,), (PIECE + 1,), (3, PIECE - 1)]
DRAWS = {
    "normal": jax.random.normal,
    "truncated normal": lambda key, shape: jax.random.truncated_normal(key, -2, 2, shape),
    "uniform": jax.random.uniform,
    "bfloat16": lambda key, shape: jax.random.uniform(key, shape, jnp.bfloat16),
    "integers": lambda key, shape: jax.random.randint(key, shape, -3, 9),
}


@pytest.mark.smoke
@pytest.mark.parametrize("draw", DRAWS)
def test_the_numbers_are_those_of_jax(draw):
    @jax.jit
    def drawn(key):
        keys = jax.random.split(key, len(SHAPES))
        return [DRAWS[draw](k, shape) for k, shape in zip(keys, SHAPES, strict=True)]

    for found, want in zip(drawn(start_key(7)), drawn(jax.random.key(7)), strict=True):
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(np.asarray(found), np.asarray(want))


def test_layers_that_are_made_at_once_have_the_same_numbers():
    def made(key):
        @nnx.vmap(in_axes=0, out_axes=0)
        def layer(rngs):
            return nnx.Linear(30, 150, rngs=rngs)

        return nnx.state(layer(nnx.Rngs(key).fork(split=3)), nnx.Param)

    found, want = jax.jit(made)(start_key(1)), jax.jit(made)(jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, found, want)


def test_another_generator_stays_as_it_is():
    with jax.threefry_partitionable(False):
        found = jax.random.normal(start_key(3), (5,))
        np.testing.assert_array_equal(found, jax.random.normal(jax.random.key(3), (5,)))


def test_many_shapes_are_one_loop():
    """What is compiled hardly grows with the number of shapes."""

    def draws(count):
        return lambda key: [jax.random.normal(key, (8, 9 + i)) for i in range(count)]

    def loops(key, count):
        lowered = jax.jit(draws(count)).lower(key).as_text()
        return lowered.count("stablehlo.while")

    assert loops(start_key(0), 20) == loops(start_key(0), 2)
    assert loops(jax.random.key(0), 20) == 10 * loops(jax.random.key(0), 2)

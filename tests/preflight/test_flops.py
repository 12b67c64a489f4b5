"""FLOPs counted from a traced program."""

import jax
import jax.numpy as jnp
import pytest

from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight.flops import flops

X, W = jnp.ones((16, 32)), jnp.ones((7, 32, 32))
PRODUCT = 2 * 16 * 32 * 32


def scanned(x, w):
    return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]


def test_products_and_loops():
    assert flops(lambda x, w: x @ w[0], X, W) == PRODUCT
    assert flops(scanned, X, W) == 7 * PRODUCT
    # Shapes do; nothing is computed.
    assert flops(scanned, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (X, W))) == 7 * PRODUCT


def test_a_gradient_is_twice_the_forward_pass():
    gradient = jax.grad(lambda x, w: scanned(x, w).sum(), argnums=(0, 1))
    assert flops(gradient, X, W) == 3 * 7 * PRODUCT


def test_what_nothing_reads_is_no_work():
    def f(x, w):
        tokens = jax.jit(lambda x, w: (x @ w[0], jnp.tanh(x) @ w[1] @ w[2]))(x, w)
        _, unread = jax.lax.scan(lambda x, w: (jnp.tanh(x), x @ w), x, w)
        del unread
        return tokens[0]

    assert flops(f, X, W) == PRODUCT


def test_calls_checkpoints_and_rules_are_looked_into():
    @jax.custom_vjp
    def rule(x, w):
        return x @ w

    rule.defvjp(lambda x, w: (x @ w, (x, w)), lambda kept, g: (g @ kept[1].T, kept[0].T @ g))
    assert flops(jax.jit(rule), X, W[0]) == PRODUCT
    trained = jax.value_and_grad(lambda x, w: rule(x, w).sum(), argnums=(0, 1))
    assert flops(trained, X, W[0]) == 3 * PRODUCT
    assert flops(jax.checkpoint(lambda x, w: x @ w), X, W[0]) == PRODUCT


def test_the_dearer_branch_counts():
    def f(x, w):
        return jax.lax.cond(x[0, 0] > 0, lambda: x @ w[0] @ w[1], lambda: x @ w[0])

    assert flops(f, X, W) == 2 * PRODUCT


def test_a_mapped_program_counts_for_every_device():
    mesh = mesh_lib.make_mesh()
    f = jax.shard_map(
        lambda x, w: x @ w, mesh=mesh, in_specs=(jax.P("data"), jax.P()), out_specs=jax.P("data")
    )
    assert flops(f, X, W[0]) == PRODUCT


def test_convolutions():
    def f(x, w):
        return jax.lax.conv_general_dilated(
            x, w, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    assert flops(f, jnp.ones((2, 8, 8, 3)), jnp.ones((2, 2, 3, 5))) == 2 * 2 * 16 * 4 * 3 * 5


def test_a_loop_that_depends_on_data_is_refused():
    def f(x, w):
        return jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ w[0], x)

    with pytest.raises(ValueError, match="until its data says so"):
        flops(f, X, W)

"""The product of linear layers: the same on every device, without a second cotangent on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders.products import linear_product
from mmjax.parallel import mesh as mesh_lib

B, T, WIDTH, OUT = 8, 5, 6, 7


@pytest.fixture(scope="module")
def mesh():
    return mesh_lib.make_mesh(devices=jax.devices()[:1])


def _gradients(product, mesh):
    """Compiled (kernel, x) -> the gradients of sum(sin(x @ kernel)), in the context of a mesh."""

    def loss(kernel, x):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            y = product(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))
        return jnp.sin(y).sum()

    x = jax.random.normal(jax.random.key(0), (B, T, WIDTH))
    kernel = jax.random.normal(jax.random.key(1), (WIDTH, OUT))
    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(kernel, x).compile()
    return compiled, np.asarray(kernel, np.float64), np.asarray(x, np.float64)


def test_values_and_gradients(mesh):
    compiled, kernel, x = _gradients(linear_product, mesh)
    cotangent = np.cos(x @ kernel)
    for found, wanted in zip(
        compiled(kernel.astype(np.float32), x.astype(np.float32)),
        (np.einsum("bti,bto->io", x, cotangent), cotangent @ kernel.T),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_one_contracted_axis_on_a_cpu(mesh):
    """Two contracted axes are what makes the compiler transpose the cotangent."""

    def most_axes(product, context):
        def loss(kernel, x):
            with jax.sharding.use_abstract_mesh(context):
                return jnp.sin(product(x, kernel, (((2,), (0,)), ((), ())))).sum()

        jaxpr = jax.make_jaxpr(jax.grad(loss))(jnp.ones((WIDTH, OUT)), jnp.ones((B, T, WIDTH)))
        return max(
            len(equation.params["dimension_numbers"][0][0])
            for equation in jaxpr.jaxpr.eqns
            if equation.primitive.name == "dot_general"
        )

    cpu = mesh.abstract_mesh
    assert most_axes(jax.lax.dot_general, cpu) == 2
    assert most_axes(linear_product, cpu) == 1
    tpu = cpu.update(abstract_device=jax.sharding.AbstractDevice("TPU v5 lite", 1, "tpu"))
    assert most_axes(linear_product, tpu) == 2


@pytest.mark.parametrize("shape", [(B, WIDTH), (B, T, 2, WIDTH)])
def test_in_a_layer(mesh, shape):
    layer = nnx.Linear(WIDTH, OUT, dot_general=linear_product, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), shape)
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        inside = layer(x)
    assert inside.shape == (*shape[:-1], OUT)
    np.testing.assert_allclose(inside, layer(x), rtol=1e-6)

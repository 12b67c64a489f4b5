"""Small encoders, and what tests of all of them do with one.

Everything runs under jit: op by op, most of a test's time would be the compilation of single ops.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_settings import SETTINGS
from flax import nnx
from jitted import drawn, made


@pytest.fixture(scope="session")
def make():
    """`make(Encoder, **options)`: a small encoder in which these options differ.

    Its parameters are drawn here, so that no bias and no scale is just 0 or 1, and no program has
    to be compiled for it. With `new=True` they are the encoder's own start values.
    """

    def build(encoder, *, dtype=jnp.float32, seed=0, abstract=False, new=False, **options):
        def construct():
            return encoder(
                **{**SETTINGS[encoder].small, **options}, dtype=dtype, rngs=nnx.Rngs(seed)
            )

        if abstract:
            return nnx.eval_shape(construct)
        return made(construct) if new else drawn(construct, seed, of_some_training)

    return build


def of_some_training(path, variable, rng):
    """Values of an encoder that has been trained a little."""
    shape, name = variable.shape, path[-1]
    noise = rng.normal(size=shape)
    if name == "scale":
        return 1 + 0.1 * noise
    if name == "kernel":
        fan_in = np.prod(shape[:3] if len(shape) == 4 else shape[-2:-1])
        return fan_in**-0.5 * noise
    return 0.3 * noise


@functools.partial(jax.jit, static_argnums=(0, 4))
def _run(graphdef, state, x, key, train):
    module = nnx.merge(graphdef, state, copy=True)
    out = module(x, train=train, rngs=None if key is None else nnx.Rngs(dropout=key))
    return out, nnx.split(module)[1]


@pytest.fixture(scope="session")
def run():
    """`run(module, x, train, key)`: its output; batch statistics of the module change."""

    def call(module, x, *, train=False, key=None):
        graphdef, state = nnx.split(module)
        out, new = _run(graphdef, state, x, key, train)
        if train:
            nnx.update(module, new)
        return jax.tree.map(np.asarray, out)  # what a test does with it is no program of its own

    return call


@pytest.fixture(scope="session")
def inputs():
    """`inputs(Encoder, rows)`: a batch for a small encoder, as its setting has it."""

    def draw(encoder, rows=3, seed=0):
        x = np.asarray(SETTINGS[encoder].inputs(rows, np.random.default_rng(seed)))
        return x.astype(np.int32 if np.issubdtype(x.dtype, np.integer) else np.float32)

    return draw


@pytest.fixture(scope="session")
def gradient():
    """`gradient(encoder, x)`: a loss with weights for every pooled number, and its gradient."""

    def differentiate(encoder, x, *, train=True, key=None):
        graphdef, params, rest = nnx.split(encoder, nnx.Param, ...)

        @jax.jit
        def run(params, rest, x):
            def loss(params):
                rngs = None if key is None else nnx.Rngs(dropout=key)
                pooled = nnx.merge(graphdef, params, rest, copy=True)(
                    x, train=train, rngs=rngs
                ).pooled.astype(jnp.float32)
                weights = jnp.linspace(-1.0, 1.5, pooled.size).reshape(pooled.shape)
                return jnp.sum(pooled * weights + 0.1 * pooled**2)

            return jax.value_and_grad(loss)(params)

        value, grads = run(params, rest, x)
        return value, {"/".join(map(str, path)): v[...] for path, v in nnx.to_flat_state(grads)}

    return differentiate

"""Small encoders, and what tests of all of them do with one.

Everything runs under jit: op by op, most of a test's time would be the compilation of single ops.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import MLP, ResNet, TextTransformer, ViT

VIT = {"image_size": (16, 24), "patch": 8, "width": 16, "depth": 2, "heads": 2}
TEXT = {"vocab_size": 30, "length": 9, "width": 16, "depth": 2, "heads": 2, "eos_id": 1}
RESNET = {"image_size": (16, 24), "block": "basic", "blocks": (1, 2), "widths": (8, 16),
          "stem": "patch4"}  # fmt: skip
MLP_ = {"inputs": 6, "hidden": (12, 10), "width": 8}
SMALL = {ViT: VIT, TextTransformer: TEXT, ResNet: RESNET, MLP: MLP_}


@pytest.fixture(scope="session")
def make():
    """`make(Encoder, **options)`: a small encoder in which these options differ."""

    def build(encoder, *, dtype=jnp.float32, seed=0, abstract=False, **options):
        def construct():
            return encoder(**{**SMALL[encoder], **options}, dtype=dtype, rngs=nnx.Rngs(seed))

        graphdef, shapes = nnx.split(nnx.eval_shape(construct))
        if abstract:
            return nnx.merge(graphdef, shapes)
        return nnx.merge(graphdef, jax.jit(lambda: nnx.split(construct())[1])())

    return build


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
        return out

    return call


@pytest.fixture(scope="session")
def inputs():
    """`inputs(Encoder, rows)`: a batch for a small encoder; texts of different lengths."""

    def draw(encoder, rows=3, seed=0):
        rng = np.random.default_rng(seed)
        if encoder is MLP:
            return jnp.asarray(rng.normal(size=(rows, 6)), jnp.float32)
        if encoder is TextTransformer:
            ids = rng.integers(2, 30, (rows, 9), dtype=np.int32)
            for i, end in enumerate(rng.integers(2, 8, rows)):
                ids[i, end], ids[i, end + 1 :] = 1, 0
            return jnp.asarray(ids)
        return jnp.asarray(rng.normal(size=(rows, 16, 24, 3)), jnp.float32)

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

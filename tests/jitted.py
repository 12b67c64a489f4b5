"""Modules and functions compiled as a whole.

Op by op, most of a test's time would be the compilation of single operations.
"""

import functools

import jax
import numpy as np
from flax import nnx

# What modules are told besides arrays, and what decides the program.
STATIC = ("train", "skills")


@functools.partial(jax.jit, static_argnums=0, static_argnames=STATIC)
def _called(method, module, args, **options):
    return getattr(module, method)(*args, **options)


def jitted(module, method="__call__"):
    """`module` as a function of the same arguments; what it would change of itself is dropped."""
    return lambda *args, **options: _called(method, module, args, **options)


def made(construct):
    """The module that `construct()` returns, with its start values computed at once."""
    graphdef, state = nnx.split(nnx.eval_shape(construct))
    del state
    return nnx.merge(graphdef, jax.jit(lambda: nnx.split(construct())[1])())


def drawn(construct, seed=0):
    """The module that `construct()` returns, with normal numbers in place of its start values.

    They are drawn here, so that no program has to be compiled for them.
    """
    graphdef, state = nnx.split(nnx.eval_shape(construct))
    rng = np.random.default_rng(seed)
    values = [
        (path, v.replace(rng.normal(size=v.shape).astype(v.dtype)))
        for path, v in nnx.to_flat_state(state)
    ]
    return nnx.merge(graphdef, nnx.from_flat_state(values))

"""Modules and functions compiled as a whole.

Op by op, most of a test's time would be the compilation of single operations.
"""

import functools

import jax
import numpy as np
from flax import nnx

# What modules are told besides arrays, and what decides the program.
STATIC = ("train", "skills", "causal")


@functools.partial(jax.jit, static_argnums=0, static_argnames=STATIC)
def _called(method, module, args, **options):
    return getattr(module, method)(*args, **options)


def jitted(module, method="__call__"):
    """`module` as a function of the same arguments; what it would change of itself is dropped."""
    return lambda *args, **options: _called(method, module, args, **options)


def made(construct):
    """The module that `construct()` returns, with its start values computed at once."""
    structure = []

    @jax.jit
    def start():
        graphdef, state = nnx.split(construct())
        structure.append(graphdef)  # static, and known once this is traced
        return state

    state = start()
    return nnx.merge(structure[0], state)


def drawn(construct, seed=0):
    """The module that `construct()` returns, with normal numbers in place of its start values.

    They are drawn here, so that no program has to be compiled for them. Batch statistics are those
    of a start.
    """
    graphdef, state = nnx.split(nnx.eval_shape(construct))
    rng, values = np.random.default_rng(seed), []
    for path, v in nnx.to_flat_state(state):
        if isinstance(v, nnx.BatchStat):
            value = np.full(v.shape, float(path[-1] == "var"))
        else:
            value = rng.normal(size=v.shape)
        if path[-1] == "kernel":  # so that no softmax behind it is just one of its inputs
            value *= v.shape[-2] ** -0.5
        values.append((path, v.replace(value.astype(v.dtype))))
    return nnx.merge(graphdef, nnx.from_flat_state(values))

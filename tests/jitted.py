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


def normal(path, variable, rng):
    """Normal numbers; kernels so small that no softmax behind them is just one of its inputs."""
    noise = rng.normal(size=variable.shape)
    return noise * variable.shape[-2] ** -0.5 if path[-1] == "kernel" else noise


def drawn(construct, seed=0, draw=normal):
    """The module that `construct()` returns, with other numbers in place of its start values.

    They are drawn and cast by NumPy, so that no program has to be compiled for them, nor for each
    of their shapes. Batch statistics are those of a start.

    Args:
      construct: makes the module.
      seed: of the numbers.
      draw: `(path, variable, generator)` -> its values.
    """
    graphdef, state = nnx.split(nnx.eval_shape(construct))
    rng, values = np.random.default_rng(seed), []
    for path, v in nnx.to_flat_state(state):
        if isinstance(v, nnx.BatchStat):
            value = np.full(v.shape, float(path[-1] == "var"))
        else:
            value = np.asarray(draw(path, v, rng))
        values.append((path, v.replace(jax.device_put(value.astype(v.dtype)))))
    return nnx.merge(graphdef, nnx.from_flat_state(values))

"""Modules and functions compiled as a whole.

Op by op, most of a test's time would be the compilation of single operations.
"""

import functools

import jax
from flax import nnx

# What modules are told besides arrays, and what decides the program.
STATIC = ("train", "skills")


@functools.partial(jax.jit, static_argnames=STATIC)
def _called(module, args, **options):
    return module(*args, **options)


def jitted(module):
    """`module` as a function of the same arguments; what it would change of itself is dropped."""
    return lambda *args, **options: _called(module, args, **options)


def made(construct):
    """The module that `construct()` returns, with its start values computed at once."""
    graphdef, state = nnx.split(nnx.eval_shape(construct))
    del state
    return nnx.merge(graphdef, jax.jit(lambda: nnx.split(construct())[1])())

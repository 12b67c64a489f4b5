"""A step of each term needs memory that grows with the batch, not with its square."""

import functools

import cases
import jax
import numpy as np
import pytest
from flax import nnx
from term_harness import make

from mmjax.objectives import Context
from mmjax.parallel.pairwise import Plan

TILE = 64
TOKENS = ("late_interaction_nce", "region_nce")  # whose scores are of tokens
RUNS = [
    pytest.param(name, marks=() if case.quick_memory else pytest.mark.slow)
    for name, case in cases.of("memory").items()
]


def temporaries(case, size):
    """Bytes of temporary memory of value and gradient, as compiled for one device."""
    graph, state = nnx.split(make(case.spec))

    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def loss(state, raws, batch, key):
        plan = Plan(schedule="gather", tile=TILE)
        context = Context(plan=plan, rng=key, **case.known(batch))
        return nnx.merge(graph, state)(case.outputs(raws, batch), batch, context)[0]

    raws, batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, np.asarray(x).dtype), case.inputs(size)
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    compiled = jax.jit(loss).lower(state, raws, batch, key).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("name", RUNS)
def test_memory_is_linear(name):
    small, large = (temporaries(cases.CASES[name], size) for size in (1024, 8192))
    assert large < 10 * small
    assert large < 8192**2  # a quarter of one matrix of f32


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in cases.of("memory") if cases.CASES[n].word in TOKENS])
def test_scores_of_tokens_stream_at_a_large_batch(name):
    """Of 16,384 pairs no score is kept, and of their tokens' scores a tile at a time."""
    small, large = (temporaries(cases.CASES[name], size) for size in (4096, 16_384))
    assert large < 4.4 * small
    assert large < 16_384**2  # a quarter of one matrix of f32, without tokens

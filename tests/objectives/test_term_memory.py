"""A step of each streamed term needs memory that grows with the batch, not with its square."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from term_harness import make

from mmjax.model.embedding import Embedding, Keys, unit_norm
from mmjax.objectives import Context
from mmjax.parallel.pairwise import Plan

TILE, DIM = 64, 8
PAIR = ("a", "b")
QUICK = {
    "gram": ({"type": "gram_volume", "modalities": ("a", "b", "c")}, "abc"),
    "gated": (
        {"type": "gated_nce", "pair": PAIR, "classes": 9, "dim": DIM, "width": 4, "hidden": 4},
        "ab",
    ),
}
SLOW = {
    "late_interaction": (
        {"type": "late_interaction_nce", "pair": PAIR, "dim": DIM, "tokens": ()},
        "ab",
    ),
    "local_global": ({"type": "local_global_nce", "pairs": (PAIR,)}, "ab"),
    "momentum": ({"type": "momentum_nce", "pairs": (PAIR, ("a", "a")), "soft": 0.4}, "ab"),
    "hybrid": ({"type": "hybrid_distill", "pairs": (PAIR,)}, "ab"),
    "offdiag": ({"type": "offdiag_distill", "pairs": (PAIR,)}, "ab"),
    "one_to_k": ({"type": "one_to_k", "anchor": "a", "others": ("b", "c")}, "abc"),
    "mv_infonce": ({"type": "mv_infonce", "views": ("a", "b", "c")}, "abc"),
    "mv_dhel": ({"type": "mv_dhel", "views": ("a", "b", "c")}, "abc"),
    "nt_xent": ({"type": "nt_xent", "views": PAIR}, "ab"),
    "sup_con": ({"type": "sup_con", "views": PAIR}, "ab"),
    "soft": ({"type": "soft_info_nce", "pairs": (PAIR,), "reference": "a"}, "ab"),
    "hard": ({"type": "hard_info_nce", "pairs": (PAIR,)}, "ab"),
    "mixup": ({"type": "mixup_nce", "pairs": (PAIR,)}, "ab"),
    "arc": ({"type": "geodesic_negatives", "pairs": (PAIR,)}, "ab"),
    "symile": ({"type": "symile", "modalities": ("a", "b", "c")}, "abc"),
    "symile_all": (
        {"type": "symile", "modalities": ("a", "b", "c"), "negatives": "n_squared"},
        "abc",
    ),
}
CASES = [pytest.param(*QUICK[n], id=n) for n in QUICK] + [
    pytest.param(*SLOW[n], id=n, marks=pytest.mark.slow) for n in SLOW
]


def temporaries(spec, names, size):
    """Bytes of temporary memory of value and gradient, as compiled for one device."""
    graph, state = nnx.split(make(spec))

    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def loss(state, raws, batch, key):
        outputs = {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}
        keys = Keys(
            jnp.zeros((len(batch["id"]), 1, DIM)),
            jnp.ones((len(batch["id"]), 1), bool),
            jnp.zeros((len(batch["id"]), 1), jnp.int32),
        )
        context = Context(
            plan=Plan(schedule="gather", tile=TILE),
            rng=key,
            teacher={
                name: jax.lax.stop_gradient(e._replace(tokens=jnp.stack([e.unit] * 2, axis=1)))
                for name, e in outputs.items()
            },
            queue=dict.fromkeys(outputs, keys),
        )
        return nnx.merge(graph, state)(outputs, batch, context)[0]

    raws = {name: jax.ShapeDtypeStruct((size, DIM), jnp.float32) for name in names}
    batch = {name: jax.ShapeDtypeStruct((size,), np.int32) for name in ("id", "label")}
    key = jax.eval_shape(lambda: jax.random.key(0))
    compiled = jax.jit(loss).lower(state, raws, batch, key).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(("spec", "names"), CASES)
def test_memory_is_linear(spec, names):
    small, large = (temporaries(spec, names, size) for size in (1024, 8192))
    assert large < 10 * small
    assert large < 8192**2  # a quarter of one matrix of f32

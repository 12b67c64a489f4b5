"""Memory of the pairwise engine grows with the batch and not with its square, as compiled."""

import functools

import jax
import jax.numpy as jnp
import pairwise_formulas as formulas
import pytest
from flax import nnx
from jax.sharding import NamedSharding

from mmjax.model.embedding import Embedding
from mmjax.objectives import Context, Objectives, configs
from mmjax.objectives.base import similarity
from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan

DEVICES, DIM = 8, 256
MIB = 2**20


def term(type, **options):
    """A loss over unit embeddings, f32[B, D] of two modalities, and the term's parameters."""
    objectives = Objectives(configs({"term": {"type": type, **options}}), rngs=nnx.Rngs(0))
    graph, state = nnx.split(objectives)

    def loss(plan, embeddings, state):
        outputs = {
            name: Embedding(x, x) for name, x in zip(("image", "text"), embeddings, strict=True)
        }
        batch = {"id": jnp.arange(len(embeddings[0]))}
        return nnx.merge(graph, state)(outputs, batch, Context(plan=plan))[0]

    return loss, 2, state


def triples():
    """InfoNCE of <x_i, y_j, z_j>: which pair of the two others belongs to this row, and back."""

    def score(x, others, scale):
        return scale * similarity(x, others[0] * others[1])

    def loss(plan, embeddings, scale):
        x, y, z = embeddings
        by_row, by_pair = pairwise.logsumexp(score, x, (y, z), scale, plan=plan)
        return jnp.mean((by_row + by_pair) / 2 - scale * (x * y * z).sum(-1))

    return loss, 3, jnp.float32(10.0)


# The loss, and what the ring may take for it at a batch of 16384, in MiB, where the features of one
# modality take 2 on each device. Uniformity of two modalities is two rings, which may overlap.
LOSSES = {
    "info_nce": (lambda: term("info_nce"), 16),
    "sigmoid": (lambda: term("sigmoid"), 16),
    "uniformity": (lambda: term("uniformity", modalities=("image",)), 16),
    "uniformity of two": (lambda: term("uniformity"), 24),
    "triples": (triples, 16),
}


@functools.cache
def temporary(name, schedule, size, tile=None):
    """Bytes of temporary memory per device of the value and the gradient by everything."""
    loss, modalities, shared = LOSSES[name][0]()
    mesh = formulas.mesh_of(DEVICES)
    split = NamedSharding(mesh, jax.P(mesh.axis_names))
    x = jax.ShapeDtypeStruct((size, DIM), jnp.float32, sharding=split)
    plan = Plan(mesh, schedule=schedule, tile=tile)
    step = jax.jit(jax.value_and_grad(functools.partial(loss, plan), argnums=(0, 1)))
    compiled = step.lower((x,) * modalities, shared).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("name", LOSSES)
def test_ring_is_small_and_linear(name):
    sizes = [temporary(name, "ring", size) for size in (16384, 32768, 65536)]
    assert sizes[0] <= LOSSES[name][1] * MIB
    assert sizes[1] <= 2.2 * sizes[0]
    assert sizes[2] <= 2.2 * sizes[1]


@pytest.mark.parametrize("name", LOSSES)
def test_gather_is_linear(name):
    assert temporary(name, "gather", 32768) <= 2.2 * temporary(name, "gather", 16384)


@pytest.mark.smoke
def test_the_ring_takes_a_fraction_of_the_plain_formula():
    """And the plain formula fails the tests above: its memory grows fourfold."""
    small, large = (temporary("info_nce", "dense", size) for size in (8192, 16384))
    assert large > 3.5 * small
    assert temporary("info_nce", "ring", 16384) < large / 25


def test_tiles_are_all_that_is_kept_of_the_matrix():
    """Tiles of four times the size cost what a few of them weigh."""
    small, large = (temporary("info_nce", "ring", 16384, tile) for tile in (256, 512))
    assert large - small <= 4 * 4 * (512**2 - 256**2)

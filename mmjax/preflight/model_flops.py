"""Model FLOPs of a recipe, without recomputation."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mmjax.data import inputs
from mmjax.encoders import attention
from mmjax.model.embedding import Embedding, Gallery
from mmjax.model.outputs import of_model
from mmjax.objectives import Context
from mmjax.preflight.flops import flops
from mmjax.recipe import Recipe
from mmjax.system import galleries as gallery_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

Arrays = Mapping[str, jax.Array]


@attention.portable()  # whose products are counted, as those of a GPU's own kernels are not
def model_flops(recipe: Recipe, mesh: jax.sharding.Mesh) -> tuple[float, float]:
    """FLOPs of one step on all devices, and the part of them that the objectives take.

    Forward and backward of the whole batch: without recomputation, microbatches or tiles, which do
    the same again. Of a recipe without steps, forward alone. Nothing is computed.
    """
    pairwise = dataclasses.replace(recipe.pairwise, schedule="dense")
    towers = {
        name: dataclasses.replace(tower, encoder=tower.encoder.changed(remat="none"))
        if "remat" in tower.encoder.options
        else tower
        for name, tower in recipe.model.towers.items()
    }
    trunks = {
        name: dataclasses.replace(trunk, remat="none")
        for name, trunk in recipe.model.trunks.items()
    }
    model = dataclasses.replace(recipe.model, towers=towers, trunks=trunks)
    recipe = dataclasses.replace(recipe, microbatches=1, pairwise=pairwise, model=model)
    plan = state_lib.plan(recipe, mesh)
    state, batch = state_lib.abstract(recipe, plan), inputs.batch_shapes(recipe.data)
    if not recipe.steps:
        return flops(step_lib.embedding(plan), state, batch), 0.0
    given = inputs.gallery_shapes(recipe.data)
    everything = flops(step_lib.make(recipe, plan, mesh), state, {**batch, **given})
    batch = jax.eval_shape(lambda given: of_model(recipe.outputs, given, recipe.fused), batch)

    def embed(
        params: Arrays, constants: Arrays, batch: Arrays, key: jax.Array
    ) -> dict[str, Embedding]:
        key = jax.random.wrap_key_data(key)
        system = plan.definition.merge({**constants, **params})
        outputs = system.embed(batch, train=True, key=key)
        return outputs | system.fuse(outputs, batch, train=True, key=key)

    def embed_galleries(params: Arrays, constants: Arrays, given: Arrays) -> dict[str, Gallery]:
        system = plan.definition.merge({**constants, **params})
        return gallery_lib.embed(system, recipe.data.galleries, given, mesh)

    def objectives(
        params: Arrays,
        constants: Arrays,
        outputs: dict[str, Embedding],
        batch: Arrays,
        progress: jax.Array,
        key: jax.Array,
        queue: Arrays,
        galleries: Mapping[str, Gallery],
    ) -> tuple[jax.Array, Any]:
        context = Context(
            plan=step_lib.loss_plan(recipe, mesh),
            progress=progress,
            rng=jax.random.wrap_key_data(key),
            teacher=None if plan.teacher is None else plan.teacher.like(outputs, galleries),
            queue=None if plan.queue is None else plan.queue.read(queue),
            galleries=galleries,
        )

        def loss(params: Arrays, outputs: dict[str, Embedding]) -> jax.Array:
            system = plan.definition.merge({**constants, **params})
            return system.objectives(outputs, batch, context)[0]

        value, pull = jax.vjp(loss, params, outputs)
        return value, pull(jnp.ones_like(value))

    outputs = jax.eval_shape(embed, state.params, state.constants, batch, state.key)
    progress = jax.ShapeDtypeStruct((), jnp.float32)
    known = jax.eval_shape(embed_galleries, state.params, state.constants, given)
    rest = (batch, progress, state.key, state.queue, known)
    part = flops(objectives, state.params, state.constants, outputs, *rest)
    return everything, part

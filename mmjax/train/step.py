"""The train step: embed the batch, sum the loss terms, differentiate, update."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mmjax.data import mixing
from mmjax.model.definition import Definition
from mmjax.model.embedding import Embedding
from mmjax.model.outputs import of_model
from mmjax.objectives import Context
from mmjax.parallel import microbatch, pairwise
from mmjax.recipe import Recipe
from mmjax.schema.names import presence
from mmjax.system import galleries as gallery_lib
from mmjax.system.system import System
from mmjax.system.teachers import Teacher, moving_average
from mmjax.train import learning_rate
from mmjax.train import optimizer as optimizer_lib
from mmjax.train.state import State, StateOf, TrainPlan

Arrays = Mapping[str, jax.Array]
Batch = Arrays
NAMED_PARTS = ("towers", "trunks", "fusions")  # of a model, whose parts have names of the recipe


class Step(Protocol):
    """The compiled step `(state, batch) -> (state, metrics)`; a batch has galleries beside it."""

    def __call__(self, state: State, batch: Batch) -> tuple[State, dict[str, jax.Array]]: ...

    def lower(self, state: StateOf[Any], batch: Mapping[str, Any]) -> jax.stages.Lowered:
        """The program for these arguments, or for their shapes."""
        ...


def loss_plan(recipe: Recipe, mesh: jax.sharding.Mesh) -> pairwise.Plan:
    """How the losses over pairs are computed on this mesh."""
    return pairwise.Plan(mesh=mesh, schedule=recipe.pairwise.schedule, tile=recipe.pairwise.tile)


def make(recipe: Recipe, plan: TrainPlan, mesh: jax.sharding.Mesh) -> Step:
    """The compiled step `(state, batch) -> (state, metrics)`; the old state is donated.

    Metrics are f32 scalars: `loss`, `<term>/...`, `learning_rate`, `gradient_norm`,
    `parameter_norm`, `gradient_norm/<modality>`, and `zero/<view>`, 1 where all embeddings are 0
    (of fusions, of those that a term names).
    """
    assert recipe.optimizer is not None  # of every recipe with steps
    optimizer, steps, decay = recipe.optimizer, recipe.steps, recipe.model.ema
    pairs, teacher, queue = loss_plan(recipe, mesh), plan.teacher, plan.queue
    galleries = recipe.data.galleries
    # Of fusions that no term names, nothing has to be computed.
    named = {name for term in recipe.objectives.values() for _, name in term.reads()}
    unread = recipe.fused.keys() - named

    def step(
        state: State, batch: Batch, peak: jax.Array | None = None
    ) -> tuple[State, dict[str, jax.Array]]:
        given, batch = batch, of_model(recipe.outputs, batch, recipe.fused)
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        towers_key, terms_key = jax.random.split(key)
        batch = mixing.mixed(recipe.data.mix_inputs, batch, jax.random.fold_in(key, 2))
        progress = state.step.astype(jnp.float32) / steps
        context = Context(
            plan=pairs,
            progress=progress,
            rng=terms_key,
            queue=None if queue is None else queue.read(state.queue),
        )

        def embed(params: Arrays, constants: Arrays, batch: Batch, keys: jax.Array) -> Any:
            system = plan.definition.merge({**constants, **params})
            # The mesh in context is where the towers keep their activations (`layout.rows`).
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
                outputs = system.embed(batch, train=True, key=keys)
                if teacher is not None:
                    arrays = teacher.arrays({**constants, **params}, state.teacher)
                    copy = plan.definition.merge(arrays)
                    outputs |= teacher.embed(copy, batch, keys)
            return outputs, _variables(system, constants)

        def reduce(params: Arrays, constants: Arrays, outputs: Any) -> Any:
            system = plan.definition.merge({**constants, **params})
            outputs, taught = Teacher.split(outputs)
            keys = microbatch.row_keys(towers_key, len(batch["id"]))
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
                outputs |= system.fuse(outputs, batch, train=True, key=keys)
                known = gallery_lib.embed(
                    system, galleries, given, mesh, train=True, key=towers_key
                )
                if teacher is not None and teacher.reduces:
                    arrays = teacher.arrays({**constants, **params}, state.teacher)
                    copy = plan.definition.merge(arrays)
                    taught |= teacher.fuse(copy, taught, batch, keys)
                    taught |= teacher.embed_galleries(copy, galleries, given, mesh, towers_key)
            own = dataclasses.replace(
                context, galleries=known, teacher=None if teacher is None else taught
            )
            value, metrics = system.objectives(outputs, batch, own)
            seen = {name: each for name, each in outputs.items() if name not in unread}
            metrics |= _without_direction(seen, batch)
            pushed = {} if queue is None else queue.entries(outputs, taught, batch)
            return value, (metrics, _variables(system, constants), pushed)

        (_, (metrics, constants, pushed)), gradient = microbatch.value_and_grad(
            embed,
            reduce,
            state.params,
            state.constants,
            batch if teacher is None else {**batch, **teacher.entries(batch)},
            microbatch.row_keys(towers_key, len(batch["id"])),
            microbatches=recipe.microbatches,
            mesh=mesh,
        )
        # Each gradient where its parameter lies, before anything else reads it: so a sum over the
        # devices leaves each of them its part (reduce-scatter) and not the whole (all-reduce).
        gradient = jax.lax.with_sharding_constraint(gradient, dict(plan.shardings.params))
        updates, moments = plan.transformation.update(
            gradient, state.optimizer, state.params, peak=peak
        )
        params = optax.apply_updates(state.params, updates)
        metrics = {
            **metrics,
            "learning_rate": learning_rate.by_step(optimizer, steps, peak)(state.step),
            "gradient_norm": optimizer_lib.norm(gradient),
            "parameter_norm": optimizer_lib.norm(params),
            **_norms_by_tower(gradient),
        }
        average = state.average
        if decay is not None:
            average = moving_average(average, params, decay)
        copies = state.teacher
        if teacher is not None:
            copies, more = teacher.update(copies, {**constants, **params}, progress)
            metrics |= more
        new = State(
            step=state.step + 1,
            params=params,
            constants=constants,
            optimizer=moments,
            average=average,
            teacher=copies,
            queue={} if queue is None else queue.push(state.queue, pushed),
            key=state.key,
        )
        return new, {name: jnp.asarray(v, jnp.float32) for name, v in metrics.items()}

    program = jax.jit(step, donate_argnums=0, out_shardings=(plan.shardings, None))
    return _OfAnyRate(program, np.float32(optimizer.learning_rate))


@dataclasses.dataclass(frozen=True)
class _OfAnyRate:
    """A step whose learning rate is an input, so that runs of several rates share one program."""

    program: Any
    peak: np.float32

    def __call__(self, state: State, batch: Batch) -> tuple[State, dict[str, jax.Array]]:
        found: tuple[State, dict[str, jax.Array]] = self.program(state, batch, self.peak)
        return found

    def lower(self, state: StateOf[Any], batch: Mapping[str, Any]) -> jax.stages.Lowered:
        """Of a state and a batch alone, with the rate as a constant."""
        lowered: jax.stages.Lowered = self.program.lower(state, batch)
        return lowered


def embedding(plan: TrainPlan) -> jax.stages.Wrapped:
    """What a recipe without steps computes of a batch: `(state, batch) -> {view: f[B, D]}`."""

    def embed(state: State, batch: Batch) -> dict[str, jax.Array]:
        system = plan.definition.merge(state.evaluation_arrays())
        outputs = system.embed(batch)
        outputs |= system.fuse(outputs, batch)
        return {name: embedding.unit for name, embedding in outputs.items()}

    return jax.jit(embed)


def _variables(system: System, paths: Iterable[str]) -> dict[str, jax.Array]:
    arrays = Definition.arrays(system)
    return {path: arrays[path] for path in paths}


def _without_direction(outputs: Mapping[str, Embedding], batch: Batch) -> dict[str, jax.Array]:
    """Whether a view is there and all its embeddings are 0: no gradient goes through these."""
    found = {}
    for view, embedding in outputs.items():
        zero = (embedding.raw == 0).all(-1)
        there = presence(batch, view)
        present = jnp.ones_like(zero) if there is None else there
        found[f"zero/{view}"] = present.any() & (zero | ~present).all()
    return found


def _norms_by_tower(gradient: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """A tower that has stopped learning, or runs away, shows here first."""
    towers: dict[str, dict[str, jax.Array]] = {}
    for path, value in gradient.items():
        part, _, rest = path.partition("/")
        if part in NAMED_PARTS:
            towers.setdefault(rest.partition("/")[0], {})[path] = value
    return {f"gradient_norm/{name}": optimizer_lib.norm(g) for name, g in towers.items()}


def parameter_counts(plan: TrainPlan) -> dict[str, int]:
    """Numbers of parameters by tower or fusion, of the objectives, in all, and that train."""
    counts: dict[str, int] = {"all": 0, "trained": 0}
    for path, shape in plan.definition.kinds(nnx.Param).items():
        size = math.prod(shape.shape)
        part, _, rest = path.partition("/")
        name = rest.partition("/")[0] if part in NAMED_PARTS else part
        counts[name] = counts.get(name, 0) + size
        counts["all"] += size
        counts["trained"] += size if path in plan.trained else 0
    return counts

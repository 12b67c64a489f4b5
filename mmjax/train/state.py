"""The training state: everything that the next step depends on, and its layout on the mesh."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import NamedSharding

from mmjax.checkpoints.store import CheckpointError, Store
from mmjax.model.adapters import AdapterParam
from mmjax.model.definition import Definition
from mmjax.parallel import layout
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.start_keys import start_key
from mmjax.recipe import Recipe
from mmjax.schema.names import modality_of
from mmjax.system import queue as queue_lib
from mmjax.system import teachers
from mmjax.system.system import System
from mmjax.train import optimizer as optimizer_lib
from mmjax.train.stages import Stage

Leaf = TypeVar("Leaf")


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class StateOf(Generic[Leaf]):
    """The training state, or the layouts or shapes of its arrays: the arrays of a checkpoint.

    The position in the data needs no field: global batch k belongs to step k.

    Attributes:
      step: i32[], updates made.
      params: path -> f32 array, the parameters that train.
      constants: path -> array, frozen parameters and other variables (batch statistics).
      optimizer: state of the optimizer, for `params` only.
      average: path -> moving average of `params`; empty without `model.ema`.
      teacher: path -> the teacher's copy of a variable; empty without `teacher`.
      queue: name -> array, what the queue holds; empty without `queue`.
      key: key data of the run's random key; step k uses fold_in(key, k).
    """

    step: Leaf
    params: dict[str, Leaf]
    constants: dict[str, Leaf]
    optimizer: optax.OptState
    average: dict[str, Leaf]
    teacher: dict[str, Leaf]
    queue: dict[str, Leaf]
    key: Leaf

    def evaluation_arrays(self) -> dict[str, Leaf]:
        """The arrays that evaluation and export use: averaged where there is an average."""
        return {**self.constants, **(self.average or self.params)}


State = StateOf[jax.Array]


@dataclasses.dataclass(frozen=True)
class TrainPlan:
    """What is fixed before the first step: the module's structure, the optimizer, the layout.

    Attributes:
      definition: structure of the System.
      trained: paths that the optimizer updates; none of a recipe without steps.
      teacher: the recipe's, or None.
      queue: the recipe's, or None.
      transformation: the optimizer.
      shardings: a State of layouts.
      partition: path -> PartitionSpec, of all variables.
      dtype: of the towers' computation.
    """

    definition: Definition[System]
    trained: frozenset[str]
    teacher: teachers.Teacher | None
    queue: queue_lib.Queue | None
    transformation: optax.GradientTransformationExtraArgs
    shardings: StateOf[NamedSharding]
    partition: dict[str, jax.sharding.PartitionSpec]
    dtype: jnp.dtype


def compute_dtype(name: str, mesh: jax.sharding.Mesh) -> jnp.dtype:
    """`auto` is bfloat16 where the hardware multiplies it (TPU, GPU) and float32 on a CPU."""
    if name == "auto":
        # Of the mesh, not of this machine: preflight compiles for devices that are elsewhere.
        name = "float32" if mesh.devices.flat[0].platform == "cpu" else "bfloat16"
    return jnp.dtype(name)


def _make_system(recipe: Recipe, dtype: jnp.dtype, key: jax.Array) -> System:
    return System(recipe.model, recipe.objectives, dtype=dtype, rngs=nnx.Rngs(key))


def plan(recipe: Recipe, mesh: jax.sharding.Mesh) -> TrainPlan:
    """Works out structure and layout; computes nothing and allocates nothing.

    Raises:
      ConfigError: for rules (freezing, layout, learning rate) that do not fit the parameters.
    """
    dtype = compute_dtype(recipe.model.dtype, mesh)
    definition = Definition.of(lambda: _make_system(recipe, dtype, jax.random.key(0)))
    parameters = definition.kinds(nnx.Param)
    adapters = definition.kinds(AdapterParam)
    optimizer = recipe.optimizer if recipe.steps else None  # without steps all are constants
    if optimizer is None:
        constant = frozenset(parameters)
    else:
        constant = optimizer_lib.frozen(optimizer.freeze, parameters, adapters)
    busy = {output.tower for output in recipe.outputs.values() if output.train}
    busy |= {modality_of(gallery.view) for gallery in recipe.data.galleries.values()}
    idle = tuple(f"towers/{name}/" for name in recipe.model.towers if name not in busy)
    fused = {modality_of(name) for name in recipe.fused if recipe.embedded[name]}
    idle += tuple(f"fusions/{name}/" for name in recipe.model.fusions if name not in fused)
    running = {
        tower.encoder.options["trunk"]
        for name, tower in recipe.model.towers.items()
        if name in busy and tower.encoder.type == "trunk_tokens"
    }
    idle += tuple(f"trunks/{name}/" for name in recipe.model.trunks if name not in running)
    constant |= {path for path in parameters if path.startswith(idle)}
    trained = {path: shape for path, shape in parameters.items() if path not in constant}
    everything = definition.kinds(nnx.Variable)
    teacher = None if recipe.teacher is None else recipe.teacher.build()
    if teacher is not None:
        teacher.of_model(recipe.fused)
    queue = None if recipe.queue is None else recipe.queue.build(recipe.data.batch_size)
    copied: frozenset[str] = frozenset()
    if teacher is not None:
        of_galleries = [recipe.data.galleries[name].view for name in teacher.galleries]
        copied = teacher.paths(definition, trained, of_galleries)

    section = recipe.mesh
    partition = layout.specs(everything, mesh, section.rules, section.fsdp_min_size)
    where = layout.shardings(partition, mesh)
    transformation = optax.with_extra_args_support(optax.identity())
    if optimizer is not None:
        transformation = optimizer_lib.make(optimizer, recipe.steps, trained)
    single = mesh_lib.replicated(mesh)
    of_params = {path: where[path] for path in trained}
    shardings = StateOf[NamedSharding](
        step=single,
        params=of_params,
        constants={path: where[path] for path in everything if path not in trained},
        optimizer=optimizer_lib.state_shardings(transformation, trained, of_params, single),
        average=of_params if recipe.model.ema is not None else {},
        teacher={path: where[path] for path in copied},
        queue={} if queue is None else queue.shardings(mesh),
        key=single,
    )
    return TrainPlan(
        definition, frozenset(trained), teacher, queue, transformation, shardings, partition, dtype
    )


def initial(recipe: Recipe, plan: TrainPlan) -> State:
    """The state before the first step, made where it lies: no device ever holds it whole."""
    # Over several devices the compiler splits the drawing of jax's own keys; pieces it would not.
    alone = plan.shardings.step.mesh.size == 1

    def make(seed: jax.Array) -> State:
        key = start_key(seed) if alone else jax.random.key(seed)
        arrays = Definition.arrays(_make_system(recipe, plan.dtype, key))
        params = {path: arrays[path] for path in plan.trained}
        return State(
            step=jnp.zeros((), jnp.int32),
            params=params,
            constants={path: a for path, a in arrays.items() if path not in plan.trained},
            optimizer=plan.transformation.init(params),
            # A copy: both are donated to the step, and one buffer cannot be given twice.
            average=jax.tree.map(jnp.copy, params) if recipe.model.ema is not None else {},
            teacher={path: jnp.copy(arrays[path]) for path in plan.shardings.teacher},
            queue=jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), queue_shapes(recipe, plan)),
            key=jax.random.key_data(jax.random.key(seed + 1)),
        )

    state: State = jax.jit(make, out_shardings=plan.shardings)(jnp.uint32(recipe.seed))
    return state


def queue_shapes(recipe: Recipe, plan: TrainPlan) -> dict[str, jax.ShapeDtypeStruct]:
    """The arrays of `State.queue`, for the batch size of this config."""
    if plan.queue is None:
        return {}
    system = plan.definition.merge(plan.definition.kinds(nnx.Variable))
    return plan.queue.shapes(system.dims, recipe.data.batch_size)


def started(state: State, fill: Callable[[dict[str, jax.Array]], dict[str, jax.Array]]) -> State:
    """`state` with parameters and constants that `fill` replaced; average and teacher follow."""
    params, constants = fill(state.params), fill(state.constants)
    before, now = {**state.constants, **state.params}, {**constants, **params}

    def copies(arrays: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {
            path: a if now[path] is before[path] else jnp.copy(now[path])
            for path, a in arrays.items()
        }

    return dataclasses.replace(
        state,
        params=params,
        constants=constants,
        average=copies(state.average),
        teacher=copies(state.teacher),
    )


def abstract(recipe: Recipe, plan: TrainPlan) -> StateOf[jax.ShapeDtypeStruct]:
    """Shapes, dtypes and layouts of the state, to restore a checkpoint into."""
    shapes = jax.eval_shape(lambda: initial(recipe, plan))
    found: StateOf[jax.ShapeDtypeStruct] = jax.tree.map(
        lambda shape, sharding: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding),
        shapes,
        plan.shardings,
    )
    return found


def restored(store: Store, stage: Stage, plan: TrainPlan, step: int | None) -> State:
    """The state in the checkpoint of a step.

    Args:
      store: of the run.
      stage: that made the step.
      plan: of it.
      step: of the run; None where it has none, which is an error.

    Raises:
      CheckpointError: when there is none, it is damaged, or it is of another step than its name.
    """
    state: State = store.restore(abstract(stage.recipe, plan), step)
    held = stage.start + int(state.step)
    if held != step:
        raise CheckpointError(
            f"{store.directory / str(step)} holds the state of step {held}: it was renamed or "
            "copied; rename it back, or move it out of the folder"
        )
    return state

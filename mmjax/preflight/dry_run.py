"""The dry run (`--dry_run`): memory, layout and cost of a recipe, before any data is read.

The step is compiled for the devices that are here, or ahead of time for a TPU topology that is not
(`--topology=v5e:16x16`), and never run. Memory is what the compiler says; FLOPs, bytes and
collectives are counted from the compiled program (`mmjax.preflight.hlo_cost`).
"""

import dataclasses
import math
from typing import Any

import jax

from mmjax.data import inputs
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import hlo, hlo_cost, topology
from mmjax.preflight.hlo_cost import Cost
from mmjax.preflight.model_flops import model_flops
from mmjax.preflight.roofline import Roofline, roofline
from mmjax.preflight.sizing import DoesNotFit, Memory, compile_or_size, largest_batch, program
from mmjax.preflight.topology import GIB
from mmjax.recipe import Recipe
from mmjax.train import checks
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where one parameter lies.

    Attributes:
      path, shape: of the parameter.
      split: the mesh axis (or axes) over which each of its axes is split, as a PartitionSpec.
      bytes: on one device.
    """

    path: str
    shape: tuple[int, ...]
    split: jax.sharding.PartitionSpec
    bytes: int


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that preflight finds out.

    Attributes:
      recipe: whole.
      mesh: the devices that were compiled for.
      dtype: of the towers' computation.
      batch: name -> shape and dtype, of a global batch.
      layouts: of every variable of the model.
      state_bytes: part of the state -> bytes on one device.
      memory: of a device while the step runs, or that it does not fit.
      flops, loss_flops: of one step on all devices without recomputation, and of the objectives;
        of a recipe without steps, of embedding a batch, and 0.
      cost: what one device does in a step; None where the step does not compile.
      roofline: the least time of a step; None where it does not compile or the chip is not known.
      limit: bytes of a device, if `largest` was asked for.
      largest: (batch per device, its bytes) that fit `limit`; None if not even the smallest does.
    """

    recipe: Recipe
    mesh: jax.sharding.Mesh
    dtype: Any
    batch: dict[str, jax.ShapeDtypeStruct]
    layouts: tuple[Layout, ...]
    state_bytes: dict[str, int]
    memory: Memory | DoesNotFit
    flops: float
    loss_flops: float
    cost: Cost | None
    roofline: Roofline | None
    limit: float | None
    largest: tuple[int, float] | None


def preflight(
    recipe: Recipe, *, topology_name: str | None = None, memory_gb: float | None = None
) -> Report:
    """Compiles the step of a recipe and reports on it; reads no data and allocates no state.

    Args:
      recipe: whole, from `mmjax.recipe.load`; with stages, that of one of them.
      topology_name: a TPU topology to compile for; None takes the devices that are here.
      memory_gb: look for the largest batch that fits this many GiB a device; takes some compiles.

    Raises:
      ConfigError: for a mesh that does not fit the devices, a batch that does not fit the mesh, or
        a topology that does not exist.
      CompilerFailed: where the step does not compile, for another reason than memory.
    """
    if topology_name is None:
        return _preflight(recipe, None, memory_gb)
    return _preflight(recipe, topology.devices(topology_name), memory_gb)


def _preflight(recipe: Recipe, devices: list[jax.Device] | None, memory_gb: float | None) -> Report:
    mesh = mesh_lib.make_mesh(*recipe.mesh.shape, devices=devices)
    plan = state_lib.plan(recipe, mesh)
    checks.check_model(recipe, plan, mesh)
    state = state_lib.abstract(recipe, plan)
    total, of_loss = model_flops(recipe, mesh)

    compiled = compile_or_size(lower(recipe, plan, mesh))
    cost = times = None
    memory: Memory | DoesNotFit
    if isinstance(compiled, DoesNotFit):
        memory = compiled
    else:
        memory = _held(compiled, mesh)
        cost = hlo_cost.cost(hlo.parse(program(compiled)))
        chip = topology.chip_of(mesh.devices.flat[0])
        if chip is not None:
            times = roofline(cost, chip.per_device(), total / mesh.size)
    limit = None if memory_gb is None else memory_gb * GIB
    return Report(
        recipe=recipe,
        mesh=mesh,
        dtype=plan.dtype,
        batch=inputs.batch_shapes(recipe.data),
        layouts=layouts(plan),
        state_bytes={
            field.name: sum(map(bytes_per_device, jax.tree.leaves(getattr(state, field.name))))
            for field in dataclasses.fields(state)
        },
        memory=memory,
        flops=total,
        loss_flops=of_loss,
        cost=cost,
        roofline=times,
        limit=limit,
        largest=None if limit is None else _largest(recipe, plan, mesh, memory, limit),
    )


def lower(recipe: Recipe, plan: state_lib.TrainPlan, mesh: jax.sharding.Mesh) -> jax.stages.Lowered:
    """The train step of a recipe, ready to be compiled for a mesh; without steps, its evaluation.

    Args:
      recipe: whole.
      plan: of it; the same for every batch size.
      mesh: of the devices.
    """
    split = mesh_lib.batch_sharding(mesh)
    batch = {
        name: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=split)
        for name, array in inputs.batch_shapes(recipe.data).items()
    }
    if recipe.steps:
        whole = mesh_lib.replicated(mesh)
        batch |= {
            name: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=whole)
            for name, array in inputs.gallery_shapes(recipe.data).items()
        }
    # What jax.jit makes.
    step: Any = step_lib.make(recipe, plan, mesh) if recipe.steps else step_lib.embedding(plan)
    lowered: jax.stages.Lowered = step.lower(state_lib.abstract(recipe, plan), batch)
    return lowered


def layouts(plan: state_lib.TrainPlan) -> tuple[Layout, ...]:
    """Where every variable of the model lies, in the order of their paths."""
    shardings: dict[str, Any] = {**plan.shardings.params, **plan.shardings.constants}
    return tuple(
        Layout(
            path,
            tuple(variable.shape),
            plan.partition[path],
            math.prod(shardings[path].shard_shape(tuple(variable.shape))) * variable.dtype.itemsize,
        )
        for path, (_, variable) in sorted(plan.definition.variables.items())
    )


def bytes_per_device(array: jax.ShapeDtypeStruct) -> int:
    """Bytes of an array with a layout, on one of its devices."""
    shape: tuple[int, ...] = array.sharding.shard_shape(array.shape)
    return math.prod(shape) * int(array.dtype.itemsize)


def _held(compiled: jax.stages.Compiled, mesh: jax.sharding.Mesh) -> Memory | DoesNotFit:
    """What a compiled step needs, held against the chip, where it is one that is known.

    The compiler refuses temporaries that are too many by themselves, but not all that are too many
    beside the state.
    """
    memory = Memory.of(compiled)
    chip = topology.chip_of(mesh.devices.flat[0])
    if chip is None or memory.total <= chip.per_device().memory:
        return memory
    return DoesNotFit(memory.total, int(chip.per_device().memory), "state and temporaries")


def _largest(
    recipe: Recipe,
    plan: state_lib.TrainPlan,
    mesh: jax.sharding.Mesh,
    first: Memory | DoesNotFit,
    limit: float,
) -> tuple[int, float] | None:
    shards = mesh_lib.batch_shards(mesh)
    started = recipe.data.batch_size // shards

    def memory(batch: int) -> float:
        answer = first
        if batch != started:
            data = dataclasses.replace(recipe.data, batch_size=batch * shards)
            changed = dataclasses.replace(recipe, data=data)
            made = compile_or_size(lower(changed, plan, mesh))
            answer = made if isinstance(made, DoesNotFit) else _held(made, mesh)
        if isinstance(answer, Memory):
            return answer.total
        # The compiler's limit is the device's; above it nothing fits, whatever was asked for.
        return math.inf if answer.needed is None else max(answer.needed, limit + 1)

    return largest_batch(memory, limit, recipe.microbatches, started)

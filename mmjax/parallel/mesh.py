"""The device mesh: axes `data`, `fsdp` and `tensor`, and how a batch lies on them.

A batch is split over `data` and `fsdp` together; `fsdp` also splits parameters and optimizer
state; `tensor` splits the matrices inside a layer. Axes are of type Auto: code is written for the
global arrays and the compiler partitions it, but for the pairwise engine, which says itself what
travels.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mmjax.errors import ConfigError

AXES = ("data", "fsdp", "tensor")
BATCH_AXES = ("data", "fsdp")


def make_mesh(
    data: int = -1, fsdp: int = 1, tensor: int = 1, devices: list[jax.Device] | None = None
) -> jax.sharding.Mesh:
    """Arranges devices (all by default) as a `data` x `fsdp` x `tensor` mesh.

    Args:
      data, fsdp, tensor: sizes of the axes; at most one is -1 and takes what is left.
      devices: the devices to use.

    Raises:
      ConfigError: when the sizes do not multiply to the number of devices.
    """
    count = len(devices) if devices is not None else jax.device_count()
    sizes = dict(zip(AXES, (data, fsdp, tensor), strict=True))
    open_axes = [axis for axis, size in sizes.items() if size == -1]
    if len(open_axes) > 1 or any(size < 1 and size != -1 for size in sizes.values()):
        raise ConfigError(f"mesh {sizes}: sizes are positive, and at most one is -1")
    known = int(np.prod([size for size in sizes.values() if size != -1]))
    if open_axes and count % known == 0:
        sizes[open_axes[0]] = count // known
    if int(np.prod(list(sizes.values()))) != count:
        raise ConfigError(
            f"mesh {sizes} does not fit {count} devices: the sizes of the axes must multiply to "
            f"{count} (set one of mesh.data, mesh.fsdp, mesh.tensor to -1)"
        )
    return jax.make_mesh(
        tuple(sizes.values()), AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices
    )


def batch_size_fits(batch_size: int, mesh: jax.sharding.Mesh) -> None:
    """Raises ConfigError when a batch does not divide over the batch axes of the mesh."""
    shards = batch_shards(mesh)
    if batch_size % shards:
        raise ConfigError(
            f"data.batch_size={batch_size} does not divide over the {shards} devices of the mesh "
            f"axes {BATCH_AXES}: choose a multiple of {shards}"
        )


def batch_shards(mesh: jax.sharding.Mesh) -> int:
    """Into how many parts a batch is split."""
    return int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))


def batch_sharding(mesh: jax.sharding.Mesh) -> NamedSharding:
    """Layout of arrays whose leading axis is the batch."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: jax.sharding.Mesh) -> NamedSharding:
    """Layout of arrays that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def reading(devices: np.ndarray, process: int) -> tuple[int, int]:
    """Which part of every batch a process reads, and of how many.

    Processes that hold the same rows, because `tensor` reaches over them, read the same part.

    Args:
      devices: [data, fsdp, tensor], of a mesh.
      process: its index.

    Returns:
      (index, count): the part `index` of `count` equal parts. In a batch on the devices, parts are
      in this order where each process has neighbours in the mesh; otherwise each row is there
      once, but the order of rows is the mesh's.

    Raises:
      ConfigError: when two processes hold some rows in common and others not.
    """
    shards: dict[int, set[int]] = {}
    for shard, row in enumerate(devices.reshape(-1, devices.shape[-1])):
        for device in row:
            shards.setdefault(device.process_index, set()).add(shard)
    parts = sorted({tuple(sorted(of_one)) for of_one in shards.values()})
    if len({len(part) for part in parts}) != 1 or sum(map(len, parts)) != len(
        set().union(*shards.values())
    ):
        raise ConfigError(
            f"mesh {dict(zip(AXES, devices.shape, strict=True))}: a batch cannot be divided among "
            f"the {len(shards)} processes, because some of them share only a part of their rows: "
            "choose mesh.tensor so that it divides the devices of a process or is a multiple of "
            "them"
        )
    return parts.index(tuple(sorted(shards[process]))), len(parts)


def whole_batch(values: np.ndarray, mesh: jax.sharding.Mesh) -> jax.Array:
    """A batch [B, ...] that every process has whole, on the mesh.

    It is padded to a multiple of the devices with its last row.
    """
    padding = -len(values) % batch_shards(mesh)
    padded = np.concatenate([values, np.repeat(values[-1:], padding, axis=0)])
    return jax.make_array_from_callback(
        padded.shape, batch_sharding(mesh), lambda index: padded[index]
    )


def to_device(batch: Mapping[str, np.ndarray], mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Puts this process's rows of a global batch on its devices.

    Args:
      batch: arrays [B/P, ...], the part of the batch that `reading` names.
      mesh: the mesh.

    Returns:
      Global arrays [B, ...] sharded by `batch_sharding`.
    """
    sharding = batch_sharding(mesh)
    if jax.process_count() == 1:
        return {name: jax.device_put(rows, sharding) for name, rows in batch.items()}
    _, parts = reading(mesh.devices, jax.process_index())
    return {
        name: jax.make_array_from_process_local_data(
            sharding, rows, (len(rows) * parts, *rows.shape[1:])
        )
        for name, rows in batch.items()
    }


def everywhere(arrays: Mapping[str, np.ndarray], mesh: jax.sharding.Mesh) -> dict[str, jax.Array]:
    """Puts arrays, which are the same in all processes, whole on every device."""
    layout = replicated(mesh)
    return {
        name: jax.make_array_from_callback(array.shape, layout, array.__getitem__)
        for name, array in arrays.items()
    }


def count(rows: int, of: int, mesh: jax.sharding.Mesh) -> int | jax.Array:
    """The number of some rows of a global batch, known to all processes.

    Args:
      rows: how many there are in this process's part of the batch.
      of: rows of that part.
      mesh: the mesh.

    Returns:
      The sum over all parts; i32[], on its way, where there are many processes.
    """
    if jax.process_count() == 1:
        return rows
    return _sum(mesh)(to_device({"": np.arange(of) < rows}, mesh)[""])


@functools.cache
def _sum(mesh: jax.sharding.Mesh) -> Callable[[jax.Array], jax.Array]:
    return jax.jit(jnp.sum, out_shardings=replicated(mesh))

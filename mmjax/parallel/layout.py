"""Parameter sharding: a table of regular expressions and rules.

The first rule that matches decides. A rule is one of
  'replicate'            every device holds the parameter whole;
  ('fsdp', skip)         the largest axis that `fsdp` divides is split over it, the first `skip`
                         axes left alone; where the others hold few numbers (biases and scales of
                         a layer, whose travel costs more than their memory) it is replicated;
  a tuple of axis names  one name, None or tuple of names for each axis of the array, e.g.
                         (None, 'fsdp', 'tensor').
Optimizer state and moving averages follow their parameters.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from mmjax.errors import ConfigError
from mmjax.parallel.mesh import BATCH_AXES

# Parameters of blocks that are stacked on a leading `layers` axis and scanned. (Blocks with a
# number in their path are a list of single ones.)
STACKED = r".*/blocks/[^0-9].*"
# Splitting the axis of layers would make every step of the scan fetch its layer from another
# device, so it is skipped.
DEFAULT_RULES = ((STACKED, ("fsdp", 1)), (r".*", ("fsdp", 0)))


def specs(
    shapes: Mapping[str, Any],
    mesh: jax.sharding.Mesh,
    rules: Sequence[tuple[str, Any]] = (),
    fsdp_min_size: int = 4096,
) -> dict[str, PartitionSpec]:
    """The partition of every parameter.

    Args:
      shapes: path -> something with `.shape`.
      mesh: the mesh with the axes that rules name.
      rules: tried before `DEFAULT_RULES`.
      fsdp_min_size: parameters with fewer numbers (in one layer) are replicated by the 'fsdp' rule.

    Raises:
      ConfigError: for a rule that no parameter matches, or that does not fit one that it matches.
    """
    table = [*rules, *DEFAULT_RULES]
    used: set[str] = set()
    result = {}
    for path, array in shapes.items():
        pattern, rule = next(entry for entry in table if re.fullmatch(entry[0], path))
        used.add(pattern)
        result[path] = _spec(path, tuple(array.shape), rule, mesh, fsdp_min_size)
    for pattern, _ in rules:
        if pattern not in used:
            raise ConfigError(
                f"mesh.rules: no parameter matches {pattern!r} (or an earlier rule takes them "
                f"all); parameters have paths such as {next(iter(shapes))!r}"
            )
    return result


def _spec(
    path: str, shape: tuple[int, ...], rule: Any, mesh: jax.sharding.Mesh, fsdp_min_size: int
) -> PartitionSpec:
    if rule == "replicate":
        return PartitionSpec()
    if len(rule) == 2 and rule[0] == "fsdp" and isinstance(rule[1], int):
        size = mesh.shape["fsdp"]
        if size == 1 or np.prod(shape[rule[1] :], dtype=int) < fsdp_min_size:
            return PartitionSpec()
        axes = [axis for axis in range(rule[1], len(shape)) if shape[axis] % size == 0]
        if not axes:
            return PartitionSpec()
        largest = max(axes, key=lambda axis: shape[axis])
        return PartitionSpec(*(None,) * largest, "fsdp")
    if len(rule) != len(shape):
        raise ConfigError(
            f"mesh.rules: rule {rule} has {len(rule)} axes, but {path} has shape {shape}"
        )
    for axis, names in enumerate(rule):
        split = int(np.prod([mesh.shape[name] for name in _names(names, mesh, path)]))
        if shape[axis] % split:
            raise ConfigError(
                f"mesh.rules: axis {axis} of {path} has size {shape[axis]}, which {names!r} "
                f"({split} devices) does not divide"
            )
    return PartitionSpec(*rule)


def _names(names: Any, mesh: jax.sharding.Mesh, path: str) -> tuple[str, ...]:
    axes: tuple[str, ...] = (
        () if names is None else (names,) if isinstance(names, str) else tuple(names)
    )
    for name in axes:
        if name not in mesh.shape:
            raise ConfigError(
                f"mesh.rules: {name!r}, for {path}, is no axis of the mesh {tuple(mesh.shape)}"
            )
    return axes


def rows(x: jax.Array) -> jax.Array:
    """`x` [B, ...], kept split by rows over the batch axes of the mesh in context, if there is one.

    Parameters that `fsdp` splits leave the compiler a choice, to collect the parameter or the
    activations; without this word it often takes the activations, which are larger.
    """
    split = shards()
    if split == 1 or x.shape[0] % split:
        return x
    free = (PartitionSpec.UNCONSTRAINED,) * (x.ndim - 1)
    split_rows: jax.Array = jax.lax.with_sharding_constraint(x, PartitionSpec(batch_axes(), *free))
    return split_rows


def shards() -> int:
    """Into how many parts `rows` splits a batch: 1 without a mesh in context."""
    mesh = jax.sharding.get_abstract_mesh()
    return int(np.prod([mesh.shape[axis] for axis in batch_axes()]))


def batch_axes() -> tuple[str, ...]:
    """The axes of the mesh in context over which `rows` splits a batch."""
    mesh = jax.sharding.get_abstract_mesh()
    return tuple(axis for axis in BATCH_AXES if axis in mesh.auto_axes)


def device_kind() -> str | None:
    """What JAX calls the devices of the mesh in context, such as 'cpu' or 'TPU v5'; None without.

    Programs are for these, whatever is here: they may be compiled ahead of time.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return None if device is None else device.device_kind


def whole(x: jax.Array) -> jax.Array:
    """`x`, collected on every device of the mesh in context, if there is one.

    For a table that rows are looked up in: otherwise what is looked up travels, and is larger.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.size <= 1:
        return x
    collected: jax.Array = jax.lax.with_sharding_constraint(x, PartitionSpec())
    return collected


def shardings(
    partition: Mapping[str, PartitionSpec], mesh: jax.sharding.Mesh
) -> dict[str, NamedSharding]:
    """The same table as layouts on a mesh."""
    return {path: NamedSharding(mesh, spec) for path, spec in partition.items()}

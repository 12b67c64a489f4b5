"""A module without its arrays, and its arrays as a flat dict by path."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import jax
import numpy as np
from flax import nnx

Module = TypeVar("Module", bound=nnx.Module)
# What a module may hold: while it is traced for shapes, these.
Leaf = jax.Array | np.ndarray | jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class Definition(Generic[Module]):
    """A module without its arrays: from flat arrays to a module, and back.

    Attributes:
      graphdef: the module's static structure.
      variables: path -> (key path, abstract variable).
    """

    graphdef: nnx.GraphDef[Module]
    variables: dict[str, tuple[tuple[Any, ...], nnx.Variable[Any]]]

    @classmethod
    def of(cls, make: Callable[[], Module]) -> "Definition[Module]":
        """The definition of the module that `make` constructs; nothing is computed."""
        graphdef, state = nnx.split(nnx.eval_shape(make))
        variables = {"/".join(map(str, path)): (path, v) for path, v in nnx.to_flat_state(state)}
        return cls(graphdef, variables)

    def kinds(self, kind: type[nnx.Variable[Any]]) -> dict[str, jax.ShapeDtypeStruct]:
        """path -> shape and dtype, of the variables of one kind."""
        return {
            path: jax.ShapeDtypeStruct(v.shape, v.dtype)
            for path, (_, v) in self.variables.items()
            if isinstance(v, kind)
        }

    def merge(self, arrays: Mapping[str, Leaf]) -> Module:
        """The module with these arrays; every path has to be there."""
        module: Module = nnx.merge(
            self.graphdef,
            nnx.from_flat_state(
                [(key, v.replace(arrays[path])) for path, (key, v) in self.variables.items()]
            ),
        )
        return module

    @staticmethod
    def arrays(module: nnx.Module) -> dict[str, jax.Array]:
        """The module's arrays by path."""
        _, state = nnx.split(module)
        return {"/".join(map(str, path)): v[...] for path, v in nnx.to_flat_state(state)}

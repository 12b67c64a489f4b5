"""Exact microbatches: the gradient of the full-batch loss, with the towers run on slices.

A contrastive loss needs the embeddings of the whole batch, but not the activations of the towers.
So every tower embeds the batch slice by slice and keeps only its outputs z; one loss is computed on
all of them, with dL/dz; and then every tower runs over its slices again, now with a VJP that adds
up dL/dz dz/dparams. Activations take the memory of one slice of one tower at a time, for the price
of one more forward pass. This is the gradient cache of Gao et al. 2021 (arXiv 2101.06983, section
3), written as a transformation of two functions.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib

Tree = Any  # a pytree of arrays
Arrays = Mapping[str, jax.Array]
Leaves = list[jax.Array]
Embed = Callable[[Arrays, Arrays, Arrays, jax.Array], tuple[Mapping[str, Tree], Arrays]]
Reduce = Callable[[Arrays, Arrays, Mapping[str, Tree]], tuple[jax.Array, Tree]]


def value_and_grad(
    embed: Embed,
    reduce: Reduce,
    params: Arrays,
    constants: Arrays,
    batch: Arrays,
    keys: jax.Array,
    *,
    microbatches: int,
    mesh: jax.sharding.Mesh,
) -> tuple[tuple[jax.Array, Tree], dict[str, jax.Array]]:
    """The loss of a batch and its gradient by `params`, the same for every `microbatches`.

    Args:
      embed: `(params, constants, batch, keys) -> (outputs, constants after it)`. `outputs[name]` is
        a pytree of arrays `[B, ...]`, made of `batch[name]` alone, and each of its rows of the same
        row there. Names of the batch without an output are passed over.
      reduce: `(params, constants, outputs) -> (loss, other results)`: an f32 scalar and any pytree.
      params: path -> array, to be differentiated.
      constants: path -> array, what else the two functions read; `reduce` gets them as `embed` has
        left them.
      batch: name -> array `[B, ...]`.
      keys: key[B], one for each example, for what `embed` draws at random.
      microbatches: K. With 1 the two functions are differentiated at once, as one.
      mesh: the batch lies on its batch axes, and so does each slice: slice k has the rows k, k + K,
        k + 2K, ..., so that every device has equally many of them and none moves.

    Returns:
      `((loss, other results), gradient)`, as of `jax.value_and_grad(..., has_aux=True)`.

    Raises:
      ConfigError: the batch does not divide; or, with K > 1, `embed` changes a constant, as batch
        norm does: what depends on the whole batch cannot be computed from slices.
    """
    if microbatches == 1:

        def whole(params: Arrays) -> tuple[jax.Array, Tree]:
            outputs, after = embed(params, constants, batch, keys)
            return reduce(params, after, outputs)

        return jax.value_and_grad(whole, has_aux=True)(params)

    slices = Slices(len(keys), microbatches, mesh)
    outputs, _ = jax.eval_shape(embed, params, constants, batch, keys)
    reads, *_ = _trace(reduce, params, constants, outputs)
    # Tokens that no term reads, and towers that none needs, are not kept and not pulled back.
    towers = [
        _Tower(name, embed, params, constants, {name: batch[name]}, keys, slices, reads[2][name])
        for name in outputs
        if any(jax.tree.leaves(reads[2][name]))
    ]
    embedded = {tower.name: tower.forward() for tower in towers}
    own = {path: value for path, value in params.items() if reads[0][path]}

    def loss(own: Arrays, differentiable: Mapping[str, Leaves]) -> tuple[jax.Array, Tree]:
        filled = dict(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), outputs))
        for tower in towers:
            leaves = (differentiable[tower.name], embedded[tower.name][1])
            filled[tower.name] = tower.fill(filled[tower.name], leaves)
        return reduce({**params, **own}, constants, filled)

    results, (gradient, cotangents) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
        own, {name: leaves[0] for name, leaves in embedded.items()}
    )
    for tower in towers:
        for path, part in tower.pull_back(cotangents[tower.name]).items():
            gradient[path] = gradient[path] + part if path in gradient else part
    return results, {
        path: gradient[path] if path in gradient else jnp.zeros_like(value)
        for path, value in params.items()
    }


class _Tower:
    """One output of `embed`, computed and pulled back slice by slice.

    Attributes:
      name: of the output, and of the entry of the batch that it comes from.
    """

    def __init__(
        self,
        name: str,
        embed: Embed,
        params: Arrays,
        constants: Arrays,
        batch: Arrays,
        keys: jax.Array,
        slices: "Slices",
        read: Tree,
    ):
        self.name, self._slices, self._data = name, slices, (batch, keys)
        self._read, self._structure = jax.tree.flatten(read)
        one_slice = jax.eval_shape(lambda: slices.take(self._data, 0))
        reads, before, (_, after) = _trace(embed, params, constants, *one_slice)
        changed = [path for path, value in after.items() if value is not before[1][path]]
        if changed:
            raise ConfigError(
                f"microbatches={slices.count} cannot be exact: the tower of {name!r} computes "
                f"{changed[0]!r} from the whole batch (batch statistics); set microbatches=1, or "
                "use an encoder and a head without batch norm."
            )
        self._params = {path: value for path, value in params.items() if reads[0][path]}

        def run(own: Arrays, i: jax.Array) -> tuple[Leaves, Leaves]:
            outputs, _ = embed({**params, **own}, constants, *slices.take(self._data, i))
            return self._split(outputs[name])

        self._run = run

    def _split(self, output: Tree) -> tuple[Leaves, Leaves]:
        """The leaves that are read: those of floating type, and the others."""
        leaves = [x for x, read in zip(jax.tree.leaves(output), self._read, strict=True) if read]
        return [x for x in leaves if _floating(x)], [x for x in leaves if not _floating(x)]

    def fill(self, output: Tree, leaves: tuple[Leaves, Leaves]) -> Tree:
        """`output` with the leaves that are read replaced; undoes `_split`."""
        floats, rest = map(iter, leaves)
        filled = [
            x if not read else next(floats) if _floating(x) else next(rest)
            for x, read in zip(jax.tree.leaves(output), self._read, strict=True)
        ]
        return jax.tree.unflatten(self._structure, filled)

    def forward(self) -> tuple[Leaves, Leaves]:
        """The leaves that are read, of all rows."""

        def body(_: None, i: jax.Array) -> tuple[None, tuple[Leaves, Leaves]]:
            return None, self._run(self._params, i)

        _, stacked = jax.lax.scan(body, None, jnp.arange(self._slices.count))
        joined: tuple[Leaves, Leaves] = jax.tree.map(self._slices.join, stacked)
        return joined

    def pull_back(self, cotangents: Leaves) -> dict[str, jax.Array]:
        """path -> what the floating leaves' cotangents, of all rows, send to the parameters."""
        if not self._params:  # a tower that nothing trains, such as a teacher's
            return {}

        def body(total: dict[str, jax.Array], i: jax.Array) -> tuple[dict[str, jax.Array], None]:
            _, pull = jax.vjp(lambda own: self._run(own, i)[0], self._params)
            (part,) = pull(self._slices.take(cotangents, i))
            total = jax.tree.map(jnp.add, total, part)
            return total, None

        zeros: dict[str, jax.Array] = jax.tree.map(jnp.zeros_like, self._params)
        total, _ = jax.lax.scan(body, zeros, jnp.arange(self._slices.count))
        return total


@dataclasses.dataclass(frozen=True)
class Slices:
    """`count` equal slices of `rows` rows; slice k has the rows k, k + count, k + 2 count, ...

    Raises:
      ConfigError: the rows do not divide into slices, or a slice not over the mesh.
    """

    rows: int
    count: int
    mesh: jax.sharding.Mesh

    def __post_init__(self) -> None:
        shards = mesh_lib.batch_shards(self.mesh)
        if self.count < 1 or self.rows % (self.count * shards):
            raise ConfigError(
                f"microbatches={self.count} does not fit data.batch_size={self.rows} on {shards} "
                f"devices: the batch has to be a multiple of microbatches times devices, "
                f"{self.count * shards}."
            )

    def take(self, tree: Tree, i: jax.Array | int) -> Tree:
        """Slice `i` of every array [rows, ...]."""
        return jax.tree.map(lambda x: self._laid_out(_column(x, self.count, i)), tree)

    def join(self, x: jax.Array) -> jax.Array:
        """All slices, [count, rows / count, ...], in their rows' order: [rows, ...]."""
        return self._laid_out(jnp.swapaxes(x, 0, 1).reshape(self.rows, *x.shape[2:]))

    def _laid_out(self, x: jax.Array) -> jax.Array:
        laid_out: jax.Array = jax.lax.with_sharding_constraint(
            x, mesh_lib.batch_sharding(self.mesh)
        )
        return laid_out


def _column(x: jax.Array, count: int, i: jax.Array | int) -> jax.Array:
    x = x.reshape(-1, count, *x.shape[1:])
    column: jax.Array = jax.lax.dynamic_index_in_dim(x, i, axis=1, keepdims=False)
    return column


def row_keys(key: jax.Array, rows: int) -> jax.Array:
    """key[rows], one for each example of a batch."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(rows))


def _trace(f: Callable[..., Any], *args: Tree) -> tuple[Tree, Tree, Tree]:
    """Traces `f` on the shapes of `args`.

    Returns:
      In the structure of `args`, whether any operation or the result takes a leaf; in the same
      structure the traced leaves; and the traced results. A leaf that is handed through is the same
      object in both.
    """
    closed, shapes = jax.make_jaxpr(f, return_shape=True)(*args)
    jaxpr, structure = closed.jaxpr, jax.tree.structure(args)
    taken = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
    return (
        jax.tree.unflatten(structure, [id(v) in taken for v in jaxpr.invars]),
        jax.tree.unflatten(structure, jaxpr.invars),
        jax.tree.unflatten(jax.tree.structure(shapes), jaxpr.outvars),
    )


def _floating(x: jax.Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)

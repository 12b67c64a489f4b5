"""A queue (memory bank): embeddings of past batches, as further negatives of objective terms.

A recipe has at most one, its section `queue`. Terms read it as `context.queue`. Its arrays are part
of a run's state. They hold slots of one whole batch each, `[B, slots, ...]` with the batch's rows
split over the devices as those of every batch are, so that to push and to read it moves nothing
from one device to another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, Keys
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.annotations import ViewRef, names
from mmjax.schema.bounds import Count, NonNegativeInt
from mmjax.schema.names import modality_of, presence


@dataclasses.dataclass(frozen=True)
class QueueConfig:
    """The section `queue` of a recipe.

    Attributes:
      size: examples held, a multiple of `data.batch_size`.
      views: whose embeddings: the teacher's where it has them, else the towers'.
      delay: batches that have to have come before any is used.
    """

    size: Count
    views: tuple[ViewRef, ...]
    delay: NonNegativeInt = 0

    def reads(self, to: str = "view") -> Iterator[tuple[str, str]]:
        """(path of the key, name) of every view that it names."""
        return names(self.views, tuple[ViewRef, ...], to, "queue.views")

    def build(self, batch_size: int) -> Queue:
        """The queue for batches of a size.

        Raises:
          ConfigError: for sizes that do not fit.
        """
        return Queue(size=self.size, views=self.views, delay=self.delay, batch_size=batch_size)


class Queue:
    """A first-in-first-out queue of embeddings of some views: the teacher's, or the towers'.

    He et al. 2020 (arXiv 1911.05722, section 3.1). The embeddings of a batch enter after its loss.
    Slots that no batch has filled yet are not used.

    Args:
      size: number of examples held, a multiple of the batch.
      views: names of the batch whose embeddings are kept.
      delay: how many batches have to have come before any is used.
      batch_size: of all devices together.

    Raises:
      ConfigError: for sizes that do not fit.
    """

    def __init__(self, *, size: int, views: tuple[str, ...], delay: int, batch_size: int):
        if size < batch_size or size % batch_size:
            near = max(round(size / batch_size), 1) * batch_size
            raise ConfigError(
                f"queue.size={size} has to be a multiple of data.batch_size={batch_size}, for "
                f"whole batches enter and leave: set it to {near}"
            )
        if not views or len(set(views)) != len(views):
            raise ConfigError(f"queue.views={views} has to name views of the batch, each once")
        if delay < 0:
            raise ConfigError(f"queue.delay={delay} has to be at least 0")
        self.views, self.delay = views, delay
        self.size = size

    def shapes(self, dims: Mapping[str, int], batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Its arrays, by name.

        Args:
          dims: the size of every tower's embedding.
          batch_size: as of the constructor, or another one, for which the size is rounded up:
            preflight tries some.
        """
        each = (batch_size, -(-self.size // batch_size))
        shapes = {
            "count": jax.ShapeDtypeStruct((), jnp.int32),
            "id": jax.ShapeDtypeStruct(each, jnp.int32),
        }
        for view in self.views:
            dim = dims[modality_of(view)]
            shapes[f"unit/{view}"] = jax.ShapeDtypeStruct((*each, dim), jnp.float32)
            shapes[f"valid/{view}"] = jax.ShapeDtypeStruct(each, jnp.bool)
        return shapes

    def shardings(self, mesh: jax.sharding.Mesh) -> dict[str, jax.sharding.NamedSharding]:
        """Their layout: rows over the axes of the batch."""
        rows = mesh_lib.batch_sharding(mesh)
        names = [f"{kind}/{view}" for view in self.views for kind in ("unit", "valid")]
        return {"count": mesh_lib.replicated(mesh), "id": rows, **dict.fromkeys(names, rows)}

    def read(self, arrays: Mapping[str, jax.Array]) -> dict[str, Keys]:
        """What terms may use, by view."""
        ready = arrays["count"] >= self.delay
        return {
            view: Keys(arrays[f"unit/{view}"], arrays[f"valid/{view}"] & ready, arrays["id"])
            for view in self.views
        }

    def entries(
        self,
        outputs: Mapping[str, Embedding],
        taught: Mapping[str, Embedding],
        batch: Mapping[str, jax.Array],
    ) -> dict[str, jax.Array]:
        """What a batch will push: arrays [B, ...] under the names of `shapes`."""
        entries = {"id": batch["id"].astype(jnp.int32)}
        for view in self.views:
            unit = (taught if view in taught else outputs)[view].unit
            present = presence(batch, view)
            valid = jnp.ones(len(unit), bool) if present is None else jnp.asarray(present, bool)
            unit = jnp.where(valid[:, None], unit.astype(jnp.float32), 0.0)
            entries |= {f"unit/{view}": jax.lax.stop_gradient(unit), f"valid/{view}": valid}
        return entries

    def push(
        self, arrays: Mapping[str, jax.Array], entries: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """The arrays with a batch in the place of the oldest."""
        slot = arrays["count"] % arrays["id"].shape[1]
        new = {
            name: jax.lax.dynamic_update_index_in_dim(arrays[name], value, slot, axis=1)
            for name, value in entries.items()
        }
        return {**new, "count": arrays["count"] + 1}

"""How a pairwise reduction is to be computed: on which mesh, by which schedule, in what tiles."""

import dataclasses
import difflib
from typing import Literal, get_args

from jax.sharding import Mesh

from mmjax.errors import UserError

Schedule = Literal["auto", "dense", "gather", "ring"]

# The tile and the pairs were measured with `python -m mmjax.bench loss`, see docs/engine.md; the
# bytes are what may well lie beside the towers.
DEFAULT_TILE = 512
DENSE_PAIRS = 2**20
GATHER_BYTES = 2**28


class PairwiseError(UserError, ValueError):
    """A pairwise reduction cannot be computed as asked; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where and how pairwise reductions run. Hashable, so that it can be a static argument.

    Args:
      mesh: the device mesh, or None for one device.
      axes: names of the mesh axes over which rows (and columns) are sharded, in the order in which
        the batch is laid out. On the other axes of the mesh the work is repeated.
      schedule: 'dense' forms the whole score matrix; 'gather' collects one side on every device
        and streams tiles; 'ring' passes one side from device to device and streams tiles: the
        columns, or the rows where they have fewer bytes; 'auto' chooses one of them by size (see
        `choose`).
      tile: rows and columns of a tile, for 'gather' and 'ring'; None takes the measured default.

    Raises:
      PairwiseError: the schedule is unknown, the tile is not positive, or the mesh lacks an axis.
    """

    mesh: Mesh | None = None
    axes: tuple[str, ...] = ("data", "fsdp")
    schedule: Schedule = "auto"
    tile: int | None = None

    def __post_init__(self) -> None:
        if self.schedule not in get_args(Schedule):
            near = difflib.get_close_matches(str(self.schedule), get_args(Schedule), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise PairwiseError(
                f"Unknown pairwise schedule {self.schedule!r}: use one of "
                f"{', '.join(map(repr, get_args(Schedule)))}{hint}"
            )
        if self.tile is not None and self.tile < 1:
            raise PairwiseError(f"A tile needs at least one row, but tile={self.tile}.")
        if self.mesh is None:
            return
        missing = [axis for axis in self.axes if axis not in self.mesh.axis_names]
        if missing:
            raise PairwiseError(
                f"The pairwise schedule {self.schedule!r} shards rows over mesh axis "
                f"{missing[0]!r}, but the mesh has only the axes {self.mesh.axis_names}."
            )

    @property
    def shards(self) -> int:
        """Number of parts into which rows and columns are split."""
        if self.mesh is None:
            return 1
        count = 1
        for axis in self.axes:
            count *= self.mesh.shape[axis]
        return count

    @property
    def tile_or_default(self) -> int:
        return DEFAULT_TILE if self.tile is None else self.tile

    def choose(self, rows: int, cols: int, sent_bytes: int) -> Literal["dense", "gather", "ring"]:
        """The schedule for a problem of this size.

        'auto' takes the dense formula while each device's share of the matrix has at most
        `DENSE_PAIRS` entries (4 MiB in f32), then 'gather' while the smaller of both sides has at
        most `GATHER_BYTES` bytes, so that a copy of it fits on every device beside the towers, then
        'ring', whose memory falls with the number of devices but which waits for one hop per
        device.

        Args:
          rows: number of rows of the score matrix, over all devices.
          cols: number of its columns, over all devices.
          sent_bytes: size of all features of the smaller side together.
        """
        if self.schedule != "auto":
            return self.schedule
        if rows * cols <= DENSE_PAIRS * self.shards:
            return "dense"
        if self.shards == 1 or sent_bytes <= GATHER_BYTES:
            return "gather"
        return "ring"

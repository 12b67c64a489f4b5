"""The data pipeline: batches in one global order, for any number of processes and workers.

The order of the data is one integer. Epoch e of a source of N examples is a seeded permutation of
them, cut to S = N // B whole batches of B, so that no example stands twice in a batch; the epochs
follow each other, and global batch k is rows kB .. (k+1)B of that order. The N - SB examples that
an epoch leaves out are others in each epoch. With groups (`mmjax.data.groups`) whole groups of rows
are permuted instead.

Process p of P computes the p-th contiguous block of B / P rows of every global batch. Joined in the
order of processes, which is how devices are numbered, the blocks are the same global array whatever
P is. The augmentation of a row is keyed by the seed and the row's place in the global order.
So the only position to save is k, and it is right on any number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Literal

import grain
import numpy as np

from mmjax.data.batches import Batches
from mmjax.data.groups import GroupedOrder, GroupsConfig
from mmjax.data.limits import Limit
from mmjax.data.records import Source
from mmjax.data.report import BadRows
from mmjax.data.rows import Batch, MakeBatch, SourceRows, bad_examples, entries
from mmjax.data.views import View, field_of, group_of
from mmjax.schema.names import modality_of


class TrainData:
    """Training batches of one source or of a weighted mixture.

    A batch is `{name: array[b, ...] for each view, 'id': i32[b]}` with b = batch_size /
    process_count, and `<field>_present: bool[b]` for the fields that a row may be without: those
    that a source says its records may lack, and all of them with on_error='skip'. Which keys
    there are never changes. A row without a field holds zeros for it. A row that lacks one of
    several fields of a modality (`image`, `image@second`) is without the modality, unless their
    views name these fields.

    In a mixture, rows interleave by weight, each source in its own order and epochs; ids of the
    second source start after those of the first, and so on. With `mix='batches'` whole batches
    do: with equal weights, one of each source in turn.

    Args:
      source: one source, or {name: source}.
      views: {batch key: view}; `image@2` is a second view of the field `image`, unless it says
        another or the source has a field `image@2`.
      batch_size: B, of the global batch.
      seed: of the order and of the augmentation.
      weights: {name: weight} of a mixture; None weighs all alike.
      mix: what of a mixture interleaves, 'rows' or 'batches'.
      groups: which rows lie side by side.
      process_index, process_count: p and P.
      workers: processes that make batches; 0 makes them in threads of this process.
      prefetch: batches made ahead.
      on_error: what an example that cannot be used does. 'skip': its bad modality is absent from
        the row (all of them where the source could not read the record) and is counted in `report`;
        no other example takes its place. 'fail': BadExample.
      max_bad_fraction: what `limit` allows.
      report: takes the bad rows, of which those that the sources left out from the start are the
        same on every process, and go to the report of process 0.

    Attributes:
      steps_per_epoch: global batches in which a source is seen once; for a mixture, the number of
        all its examples over B.
      id_limit: all ids are below it.
      shares: {name: its part of the rows}, which sum to 1.
      report: the bad rows so far.

    Raises:
      ValueError: for a batch larger than the source, or not divisible by the processes; for a view
        of a field that no source has, or of a further field of a modality that only some sources
        have; for weights that are not one positive number for each source.
    """

    def __init__(
        self,
        source: Source | Mapping[str, Source],
        views: Mapping[str, View],
        *,
        batch_size: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
        mix: Literal["rows", "batches"] = "rows",
        groups: GroupsConfig | None = None,
        process_index: int = 0,
        process_count: int = 1,
        workers: int = 0,
        prefetch: int = 4,
        on_error: Literal["skip", "fail"] = "skip",
        max_bad_fraction: float = 1.0,
        report: BadRows | None = None,
    ):
        sources = dict(source) if isinstance(source, Mapping) else {"": source}
        if on_error not in ("skip", "fail"):
            raise ValueError(f"on_error is {on_error!r}; it can be 'skip' or 'fail'")
        if mix not in ("rows", "batches"):
            raise ValueError(f"mix is {mix!r}; it can be 'rows' or 'batches'")
        if batch_size < 1 or batch_size % process_count:
            raise ValueError(
                f"batch_size={batch_size} cannot be divided among {process_count} processes"
            )
        if workers < 0 or prefetch < 1:
            raise ValueError(f"workers={workers} must be at least 0 and prefetch={prefetch} 1")
        if groups is not None and len(sources) > 1 and mix == "rows":
            raise ValueError("groups of a mixture need mix='batches': rows of others come between")
        fields = _fields_of(sources, views)
        self.sources, self.views = sources, dict(sorted(views.items()))
        self.batch_size, self.local_batch_size = batch_size, batch_size // process_count
        self.workers, self.prefetch, self.on_error = workers, prefetch, on_error
        self.max_bad_fraction = max_bad_fraction
        self.report = report if report is not None else BadRows()
        if process_index == 0:
            for part in sources.values():
                self.report.note(part.bad)

        # grain orders numbers of rows; what they stand for is read where a batch is made, since
        # what grain does for each element costs more than a small record itself.
        streams, rows, offset, start = [], [], 0, 0
        self._grouped: dict[str, GroupedOrder] = {}
        for name, part in sources.items():
            limit = part.id_limit
            rows.append(SourceRows(part, offset, limit, on_error))
            numbers = grain.MapDataset.range(start, start + len(part))
            joined = len(sources) > 1 and mix == "rows"
            if groups is None:
                streams.append(_endless(numbers, name, batch_size, joined, seed))
            else:
                own = _seed(seed, "order", name)
                order = GroupedOrder(part, groups, batch_size=batch_size, seed=own, offset=start)
                self._grouped[name] = order
                streams.append(numbers.repeat().map_with_index(order))
            offset, start = offset + limit, start + len(part)
        if offset > np.iinfo(np.int32).max:
            raise ValueError(f"{offset:,} ids are more than fit in 32 bits")
        self.id_limit = offset
        self.shares = _shares(sources, weights)
        if len(sources) > 1 and mix == "rows":
            streams = [grain.MapDataset.mix(streams, list(self.shares.values()))]
        may_lack = {m for part in sources.values() for m in _may_lack(part, self.views)}
        self.maybe_absent = tuple(
            m
            for m in sorted({group_of(*each) for each in self.views.items()})
            if on_error == "skip" or m in may_lack
        )
        make = MakeBatch(
            rows, self.views, fields, self.maybe_absent, on_error, _seed(seed, "augmentation")
        )
        blocks = [
            stream.batch(self.local_batch_size, batch_fn=list)[process_index::process_count]
            for stream in streams
        ]
        joint = blocks[0]
        if len(blocks) > 1:
            joint = grain.MapDataset.mix(blocks, list(self.shares.values()))
        self._batches = joint.map_with_index(partial(_made, make, process_index, process_count))
        self.steps_per_epoch = sum(map(len, sources.values())) / batch_size
        if len(sources) == 1:
            self.steps_per_epoch = float(int(self.steps_per_epoch))
        if self._grouped:
            self.steps_per_epoch = float(sum(each.batches for each in self._grouped.values()))

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """{key: (shape, dtype)} of a global batch."""
        return entries(self.views, self.maybe_absent, self.batch_size)

    def __getitem__(self, step: int) -> Batch:
        """This process' block of global batch `step`, made here and now; bad rows are not counted.

        Raises:
          BadExample: for a bad row, with on_error='fail'.
        """
        batch: dict[str, np.ndarray] = self._batches[step][0]
        return batch

    def describe(self) -> str:
        """One phrase for the header of a run: what each source holds."""
        parts = []
        for name, part in self.sources.items():
            share = f"{name} ({self.shares[name]:.0%}): " if len(self.sources) > 1 else ""
            grouped = f", {self._grouped[name].describe()}" if self._grouped else ""
            parts.append(share + part.describe() + grouped)
        return "; ".join(parts)

    def iter_from(self, step: int) -> Batches:
        """Iterates over this process' blocks of global batches step, step + 1, ... without end.

        Making them begins at once, so that the first are there when the model has compiled.
        """
        return Batches(self._batches[step:], self.report, self.workers, self.prefetch)

    def limit(self, state: Mapping[str, int] | None = None) -> Limit:
        """What counts the bad rows of global batches and says when they are too many.

        Args:
          state: of the limit of the run that this one resumes.
        """
        return Limit(self.max_bad_fraction, sum(map(len, self.sources.values())), state)

    def check(self) -> BadRows:
        """Reads and renders every example once, and returns the bad ones."""
        found = BadRows()
        for part in self.sources.values():
            found.note(part.bad)
            found.note(bad_examples(part, self.views))
        return found


def _made(
    make: MakeBatch, part: int, parts: int, step: int, numbers: Sequence[int]
) -> tuple[Batch, list[tuple[str, str, str]]]:
    """The `part`-th of the `parts` blocks of global batch `step`, of these rows."""
    return make(step * parts + part, numbers)


def _endless(
    rows: grain.MapDataset, name: str, batch_size: int, mixed: bool, seed: int
) -> grain.MapDataset:
    """The epochs of one source, each in a new order."""
    count = len(rows)
    if count < batch_size and not mixed:
        raise ValueError(
            f"batch_size={batch_size} is larger than the {count} examples of the source; an "
            "example would meet itself as a negative, so use a smaller batch"
        )
    # grain adds the epoch to the seed, so that neighbouring seeds would give shifted epochs.
    rows = rows.shuffle(seed=_seed(seed, "order", name))
    if not mixed:
        rows = rows[: count // batch_size * batch_size]
    return rows.repeat()


def _seed(seed: int, *names: str) -> int:
    """An unrelated 32-bit seed for each name."""
    digest = blake2b(repr((int(seed), *names)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _shares(sources: Mapping[str, Source], weights: Mapping[str, float] | None) -> dict[str, float]:
    weights = dict.fromkeys(sources, 1.0) if weights is None else weights
    good = set(weights) == set(sources)
    if not good or not all(0 < weight < math.inf for weight in weights.values()):
        raise ValueError(
            f"weights={dict(weights)} should give a number above 0 for each of {sorted(sources)}"
        )
    total = sum(weights.values())
    return {name: weights[name] / total for name in sources}


def _fields_of(sources: Mapping[str, Source], views: Mapping[str, View]) -> dict[str, str]:
    """The field of the records that each view reads."""
    known = sorted({field for part in sources.values() for field in part.readable})
    fields = {name: field_of(name, view, known) for name, view in views.items()}
    for name, field in fields.items():
        if field not in known:
            raise ValueError(
                f"the view {name!r} needs the field {field!r}, but the source has {known}"
            )
        for source, part in sources.items():
            if field != modality_of(field) in part.readable and field not in part.readable:
                raise ValueError(
                    f"the view {name!r} reads the field {field!r}, which another source of the "
                    f"mixture has and {source!r} has not"
                )
    return fields


def _may_lack(source: Source, views: Mapping[str, View]) -> set[str]:
    """The modalities of the views that a record of the source may be without."""
    readable, lacking = source.readable, set()
    for name, view in views.items():
        field = field_of(name, view, readable)
        if field not in readable or field in source.may_lack:
            lacking.add(group_of(name, view))
    return lacking

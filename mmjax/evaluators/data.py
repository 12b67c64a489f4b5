"""The data of an evaluation: every item of a source, in order, embedded once.

Nothing is drawn at random, cropped at random or left out: an example that cannot be read is counted
and named, never replaced. Reading runs in threads ahead of the model.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from mmjax.ahead import ahead
from mmjax.data.limits import causes
from mmjax.data.records import BadExample, Record, Source, SourceError, options
from mmjax.data.views import FusedView, field_of
from mmjax.evaluators.batches import Collect, Reading, embed_all, joined
from mmjax.evaluators.batches import Model as Model
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.names import modality_of

Alternatives = Literal["first", "all"]
Layer = Literal["unit", "encoder", "codes"]


@dataclass(frozen=True)
class Embedded:
    """The embedded items of one modality of a source, in the order of the source.

    Attributes:
      modality: a tower, e.g. `image`, or another of its outputs, `image@2`.
      unit: f32[N,D], unit rows; of the layer `encoder`, f32[N,W] of any length.
      ids: i64[N], the records' ids; items with equal ids belong together.
      rows: i64[N], positions of the records in the source.
      alternatives: i64[N], position of the item among its record's alternatives.
      fields: N dicts, the records' other fields than modalities: `id`, `key`, labels.
      source: where the items came from.
      unreadable: one sentence for each item that could not be read.
      field: of the records that the items are; the modality where empty.
    """

    modality: str
    unit: np.ndarray
    ids: np.ndarray
    rows: np.ndarray
    alternatives: np.ndarray
    fields: tuple[dict[str, Any], ...]
    source: Source
    unreadable: tuple[str, ...]
    field: str = ""

    def __len__(self) -> int:
        return len(self.unit)

    def raw(self, item: int) -> Any:
        """The item as the source has it: encoded bytes or an array for an image, a str for text.

        Args:
          item: position in 0..N-1.
        """
        record = self.source[int(self.rows[item])]
        return options(record[self.field or self.modality])[int(self.alternatives[item])]


@dataclass
class EvalData:
    """A source with the views that turn its raw values into a model's inputs.

    Evaluators that share one EvalData, within `shared`, share its embeddings too.

    Attributes:
      source: the records.
      views: name of an output (see `mmjax.model.outputs`), such as `image` or `text@long`, -> view;
        called with `train=False`. That of a fusion is a `FusedView`, of records with all inputs.
      batch_size: of the calls of the model; the last batch is padded to it.
    """

    source: Source
    views: Mapping[str, Callable[..., np.ndarray]]
    batch_size: int = 256
    _memory: dict[tuple[str, Alternatives, str], Embedded] | None = field(default=None, repr=False)
    _readable: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size of an evaluation is {self.batch_size}; it must be >= 1")

    @property
    def modalities(self) -> tuple[str, ...]:
        """What an evaluator takes unless it names some, as the source orders the fields.

        Names without a label, and those that are fields themselves; no fusions.
        """
        order = self.source.modalities
        first = [name for name in self.names if "@" not in name or name in order]
        first = [name for name in first if name not in self.fusions]
        return tuple(sorted(first, key=lambda name: order.index(self.field(name))))

    @property
    def names(self) -> tuple[str, ...]:
        """The names whose fields the source has: all that can be embedded."""
        has = self.source.modalities
        return tuple(n for n in self.views if all(field in has for field in self.fields(n)))

    @property
    def fusions(self) -> tuple[str, ...]:
        """Those of the names that are outputs of fusions."""
        return tuple(n for n in self.names if isinstance(self.views[n], FusedView))

    def field(self, name: str) -> str:
        """The field of a record that a name's view reads; of a fusion, that of its first input."""
        return self.fields(name)[0]

    def fields(self, name: str) -> tuple[str, ...]:
        """The fields of a record that a name's view reads: of a fusion, of every input."""
        view, has = self.views[name], self.source.modalities
        parts = view.inputs if isinstance(view, FusedView) else ((name, view),)
        return tuple(field_of(own, part, has) for own, part in parts)

    def known_by(self, name: str) -> str:
        """What a model is asked for to have a name: a tower, or an output of a fusion."""
        return name if isinstance(self.views[name], FusedView) else modality_of(name)

    def embedded_by(self, model: Model) -> tuple[str, ...]:
        """Those of the modalities that a model has a tower for."""
        return tuple(m for m in self.modalities if modality_of(m) in model.modalities)

    def check_readable(self, modality: str, least: int) -> None:
        """Reads records from the first on until `least` of them have a modality that can be used.

        Raises:
          SourceError: when fewer have it, with the reasons.
        """
        if self._readable.get(modality, 0) >= least:
            return
        found, bad = 0, []
        for row in range(len(self.source)):
            read = read_one(self, row, (modality,), "first")
            found += len(read.items)
            bad += [error for _, error in read.problems]
            if found == least:
                self._readable[modality] = found
                return
        reasons = f" ({causes(bad)})" if bad else ""
        raise SourceError(
            f"{found} of {len(self.source):,} records have a readable {modality!r}, and at "
            f"least {least} have to{reasons}"
        )

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """While this is open, an item is embedded once, whichever evaluators ask for it.

        Open it around the evaluators of ONE state of the model: the embeddings are kept by
        modality and not by the model's parameters. They are dropped at the end.
        """
        if self._memory is not None:
            yield  # the outer one keeps the embeddings
            return
        self._memory = {}
        try:
            yield
        finally:
            self._memory = None

    def unreadable(self) -> list[str]:
        """One sentence for each item that could not be read, of those embedded within `shared`."""
        return [s for embedded in (self._memory or {}).values() for s in embedded.unreadable]


def embed(
    model: Model,
    data: EvalData,
    modalities: Iterable[str] = (),
    alternatives: Alternatives = "first",
    layer: str = "unit",
) -> dict[str, Embedded]:
    """Embeds items of a source.

    Args:
      model: the model.
      data: the source, its views and the batch size.
      modalities: which; none named means all that both the model and the data have.
      alternatives: `first` embeds one value per record and modality, `all` embeds all of them
        (five captions of an image, say); of a fusion always the first of each input.
      layer: `unit`, the embeddings; `encoder`, what the encoders give to their heads; or `codes`,
        the weights of a codebook's codes.

    Returns:
      modality -> Embedded.

    Raises:
      EvaluationError: for a modality that the model or the data lacks, for one of which no item
        could be read, and for embeddings that are not finite or not of length one.
    """
    wanted = tuple(modalities) or data.embedded_by(model)
    for modality in wanted:
        tower = modality_of(modality)
        for owner, own, has in (
            ("model", tower, model.modalities),
            ("evaluation data", modality, data.names),
        ):
            if own not in has:
                raise EvaluationError(
                    f"the {owner} has no modality {own!r}, only {', '.join(has)}; name one "
                    "of these in the evaluator's options or add a view for it"
                )
    memory = {} if data._memory is None else data._memory
    missing = [m for m in wanted if (m, alternatives, layer) not in memory]
    if missing:
        for modality, embedded in _embed(model, data, missing, alternatives, layer).items():
            memory[modality, alternatives, layer] = embedded
    return {modality: memory[modality, alternatives, layer] for modality in wanted}


def embed_values(
    model: Model, data: EvalData, modality: str, values: Sequence[Any], layer: str = "unit"
) -> np.ndarray:
    """Embeds values that are not of the source, such as prompts: f32[N,D], in their order.

    Raises:
      BadExample: if the view refuses one of them.
    """
    collect = Collect(model, data.known_by(modality), data.batch_size, layer)
    for value in values:
        collect.inputs.append(data.views[modality](value, None, False))
        collect.embed([len(collect.inputs)])
    collect.embed([len(collect.inputs)], last=True)
    return collect.finish()


def _embed(
    model: Model, data: EvalData, modalities: Sequence[str], alternatives: Alternatives, layer: str
) -> dict[str, Embedded]:
    """One pass over the source, whatever the number of modalities."""
    reading = Reading.of(model)
    collect = {
        m: Collect(
            model,
            data.known_by(m),
            data.batch_size,
            layer,
            reading,
            functools.partial(_empty, data, m),
        )
        for m in modalities
    }
    found: dict[str, list[tuple[int, int, Record]]] = {m: [] for m in modalities}
    unreadable: dict[str, list[str]] = {m: [] for m in modalities}
    known = set(data.source.modalities)
    for window in _read(data, modalities, alternatives, reading):
        for row, (record, items, problems) in window:
            record = {name: value for name, value in record.items() if name not in known}
            for modality, position, array in items:
                collect[modality].inputs.append(array)
                found[modality].append((row, position, record))
            for modality, error in problems:
                unreadable[modality].append(str(error))
        embed_all(collect, reading, last=False)
    embed_all(collect, reading, last=True)
    found, unreadable = joined(reading, found), joined(reading, unreadable)
    result = {}
    for modality in modalities:
        if not found[modality]:
            first = "".join(f"; {sentence}" for sentence in unreadable[modality][:1])
            raise EvaluationError(
                f"none of the {len(data.source)} records of the evaluation data has a readable "
                f"{modality!r}{first}"
            )
        rows, positions, fields = zip(*found[modality], strict=True)
        result[modality] = Embedded(
            modality=modality,
            unit=collect[modality].finish(),
            ids=np.array([record["id"] for record in fields], np.int64),
            rows=np.array(rows, np.int64),
            alternatives=np.array(positions, np.int64),
            fields=fields,
            source=data.source,
            unreadable=tuple(unreadable[modality]),
            field=data.field(modality),
        )
    return result


def _empty(data: EvalData, modality: str) -> Any:
    """An input of nothing, which only fills a batch of other processes."""
    view: Any = data.views[modality]
    return view.empty() if isinstance(view, FusedView) else np.zeros(view.shape, view.dtype)


class ReadRecord(NamedTuple):
    """A record: (name, which alternative, array) of what was read, and (name, why) of others."""

    record: Record
    items: list[tuple[str, int, Any]]  # array, or of a fusion a tuple of them
    problems: list[tuple[str, BadExample]]


def _read(
    data: EvalData, modalities: Sequence[str], alternatives: Alternatives, reading: Reading
) -> Iterator[list[tuple[int, ReadRecord]]]:
    """Yields the records of this process, [(row, what was read of it)] a window.

    Every process has as many windows, the last of which may be empty.
    """
    threads = min(8, os.cpu_count() or 1)
    own, size = reading.rows(len(data.source)), -(-data.batch_size // reading.parts)
    longest = -(-len(data.source) // reading.parts)
    with ThreadPoolExecutor(threads) as pool:

        def window(start: int) -> Callable[[], list[tuple[int, ReadRecord]]]:
            how = modalities, alternatives
            found = [(row, pool.submit(read_one, data, row, *how)) for row in own[start:][:size]]
            return lambda: [(row, future.result()) for row, future in found]

        # One window is read while the model embeds the last one; no more is held in memory.
        yield from ahead(map(window, range(0, longest, size)))


def read_one(
    data: EvalData, row: int, modalities: Sequence[str], alternatives: Alternatives
) -> ReadRecord:
    """Reads a row of the source, and makes inputs of the names that its record has."""
    try:
        record = data.source[row]
    except BadExample as error:
        return ReadRecord({}, [], [(m, error) for m in modalities])
    key = str(record["key"])
    items: list[tuple[str, int, Any]] = []
    problems: list[tuple[str, BadExample]] = []
    for modality in modalities:
        if isinstance(data.views[modality], FusedView):
            _fused(data, modality, record, items, problems)
            continue
        own = data.field(modality)
        values = options(record[own]) if own in record else []
        if own in record and not values:
            empty = "the list of alternatives is empty"
            problems.append((modality, BadExample(key, own, empty)))
        for position, value in enumerate(values[:1] if alternatives == "first" else values):
            try:
                items.append((modality, position, data.views[modality](value, None, False)))
            except BadExample as error:
                problems.append((modality, BadExample(key, own, error.reason)))
    return ReadRecord(record, items, problems)


def _fused(
    data: EvalData,
    modality: str,
    record: Record,
    items: list[tuple[str, int, Any]],
    problems: list[tuple[str, BadExample]],
) -> None:
    """Adds the item of a fusion, of a record that has all its inputs, or why it cannot be read."""
    view, fields = data.views[modality], data.fields(modality)
    if not all(field in record for field in fields):
        return
    values = [options(record[field])[:1] for field in fields]
    try:
        for field, own in zip(fields, values, strict=True):
            if not own:
                raise BadExample("", field, "the list of alternatives is empty")
        items.append((modality, 0, view([own[0] for own in values], None, False)))
    except BadExample as error:
        at = error.field or fields[0]
        problems.append((modality, BadExample(str(record["key"]), at, error.reason)))

"""Inputs that wait for a full batch of the model, read by one process or by many together.

Where the processes of a run embed together, each reads its own part of the records and puts its
inputs on its own devices; the embeddings of all go to all. What they embed next depends on what
each has read, so they tell each other after every window of records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mmjax.data.some_rows import neighbours
from mmjax.evaluators.errors import EvaluationError
from mmjax.parallel import distributed


class Model(Protocol):
    """A trained model as evaluators see it.

    `embed(modality, array [B, ...]) -> f32[B, D]`, unit rows; of a fusion, with a tuple of arrays.
    Called with one batch shape per modality, so that it compiles once. With `layer='encoder'` it
    gives f32[B, W], what the encoder gives to the head; only the evaluators that measure that ask
    for it.

    One whose processes embed together also has `reading`, (which part of the records this process
    reads, number of parts), and `embed_parts(modality, array [b, ...]) -> f32[parts x b, D]`, which
    takes b rows of each part and gives all, in the order of the parts.

    One that computes while its caller goes on has `begin` and, where processes embed together,
    `begin_parts`: as these two, but they give a function that waits for the embeddings.
    """

    @property
    def modalities(self) -> Sequence[str]: ...

    def embed(self, modality: str, array: Any, layer: str = "unit") -> np.ndarray: ...


class Reading(NamedTuple):
    """Which of `parts` equal parts of the records this process reads."""

    part: int
    parts: int

    @classmethod
    def of(cls, model: Model) -> Reading:
        """That of a model; all records where it says nothing."""
        return cls(*getattr(model, "reading", (0, 1)))

    def rows(self, records: int) -> range:
        """The rows of this process: neighbours, so that the parts in their order are the source."""
        return neighbours(records, self.part, self.parts)

    def gather(self, own: Mapping[str, Any]) -> list[Any]:
        """What each part has, in their order, in all processes; numbers, texts, lists of them."""
        if self.parts == 1:
            return [own]
        texts = distributed.gather(json.dumps({**own, "part": self.part}, default=_plain))
        found = {each["part"]: each for each in map(json.loads, texts)}
        return [found[part] for part in range(self.parts)]


def _plain(value: Any) -> Any:
    """A label in NumPy as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise EvaluationError(
        f"a label is a {type(value).__name__}, which processes cannot tell each other: use "
        "numbers, text or lists of them"
    )


class Collect:
    """Gathers inputs of one modality into batches of one size, and their embeddings.

    Args:
      model: the model.
      modality: as the model knows it: a tower, or an output of a fusion.
      batch_size: of a call of the model, of all processes together.
      layer: as for `Embedder.embed`.
      reading: of this process; all records by default.
      empty: makes an input of the right shape, of a process that has none.
    """

    def __init__(
        self,
        model: Model,
        modality: str,
        batch_size: int,
        layer: str = "unit",
        reading: Reading | None = None,
        empty: Callable[[], Any] | None = None,
    ):
        self.model, self.modality, self.layer = model, modality, layer
        self._reading, self._empty = reading or Reading(0, 1), empty
        self.size = -(-batch_size // self._reading.parts)
        self.inputs: list[Any] = []  # arrays, or of a fusion tuples of them
        self._outputs: list[list[np.ndarray]] = [[] for _ in range(self._reading.parts)]
        # How many rows of each part a batch has that the model has begun, and what waits for it.
        self._begun: tuple[list[int], Callable[[], np.ndarray]] | None = None

    def embed(self, waiting: Sequence[int], last: bool = False) -> None:
        """Embeds full batches, and at the end also one that is not full.

        The model computes one while the next is read and stacked.

        Args:
          waiting: number of inputs that wait in each part.
          last: no further ones come.
        """
        left = list(waiting)
        while max(left) >= (1 if last else self.size):
            taken = [min(count, self.size) for count in left]
            begun = taken, self._batch(taken[self._reading.part])
            self._end()
            self._begun = begun
            left = [count - own for count, own in zip(left, taken, strict=True)]
        if last:
            self._end()

    def _end(self) -> None:
        """Waits for the batch that has begun."""
        if self._begun is None:
            return
        (taken, wait), self._begun = self._begun, None
        found = np.asarray(wait(), np.float32)
        for part, count in enumerate(taken):
            rows = found[part * self.size :][:count]
            self._check(rows)
            self._outputs[part].append(rows)

    def finish(self) -> np.ndarray:
        """f32[N, D], in the order of the parts and in each in the order of the inputs."""
        return np.concatenate([rows for part in self._outputs for rows in part])

    def _batch(self, count: int) -> Callable[[], np.ndarray]:
        now, self.inputs = self.inputs[:count], self.inputs[count:]
        # Padded with a real example: an empty one may not be a valid input (a text of length 0).
        if not now:
            assert self._empty is not None
            now = [self._empty()]
        filled = now + now[:1] * (self.size - len(now))
        fused = isinstance(filled[0], tuple)
        batch = tuple(map(np.stack, zip(*filled, strict=True))) if fused else np.stack(filled)
        parts = "" if self._reading.parts == 1 else "_parts"
        begin = getattr(self.model, f"begin{parts}", None)
        # Evaluators of models that know no layers ask for none.
        how = () if self.layer == "unit" else (self.layer,)
        if begin is not None:
            begun: Callable[[], np.ndarray] = begin(self.modality, batch, *how)
            return begun
        found: np.ndarray = getattr(self.model, f"embed{parts}")(self.modality, batch, *how)
        return lambda: found

    def _check(self, rows: np.ndarray) -> None:
        if self.layer != "unit" or not len(rows):
            return
        lengths = np.linalg.norm(rows, axis=-1)
        if not np.allclose(lengths, 1, atol=1e-3):
            raise EvaluationError(
                f"the model's {self.modality!r} embeddings have lengths "
                f"{lengths.min():.4g} to {lengths.max():.4g} instead of 1"
            )


def embed_all(collect: Mapping[str, Collect], reading: Reading, last: bool) -> None:
    """Embeds what is full of several modalities, in all processes alike."""
    waiting = reading.gather({name: len(each.inputs) for name, each in collect.items()})
    for name, each in collect.items():
        each.embed([part[name] for part in waiting], last)


def joined(reading: Reading, own: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """The lists of all parts, one behind the other."""
    parts = reading.gather({name: list(values) for name, values in own.items()})
    return {name: [value for part in parts for value in part[name]] for name in own}

"""Raw values of one modality, or inputs that are ready, through a tower: in parts and batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mmjax.ahead import ahead
from mmjax.data.records import BadExample
from mmjax.data.views import FusedView
from mmjax.encoders import Encoder
from mmjax.errors import ConfigError
from mmjax.inference import text_length
from mmjax.inference import values as values_lib
from mmjax.schema.registry import Spec
from mmjax.system.embedder import Values
from mmjax.system.layers import Waiting

# Texts of this many batches are sorted by length, so that a batch has little padding.
_SORTED_BATCHES = 16


@dataclass(frozen=True)
class Encoding:
    """How the values of one modality are embedded.

    Attributes:
      name: what errors call the values.
      view: gives what makes inputs of raw values, or raises where nothing does.
      shape: text for errors, of the inputs that the tower takes; empty where that is not known.
      encoder: of the tower, where inputs are batched by their length; otherwise None.
      begin: embeds a batch of inputs without waiting.
      dim: D, of the embeddings.
      size: of a batch; smaller ones are padded to a power of two.
      shards: devices that batches are laid over.
    """

    name: str
    view: Callable[[], Any]
    shape: str
    encoder: Spec[Encoder] | None
    begin: Callable[[Values], Waiting]
    dim: int
    size: int
    shards: int

    def __call__(self, rows: Iterable[Any], done: Callable[[int], Any]) -> np.ndarray:
        """f32[N, D] of raw values or of inputs that are ready; `done` is told of rows embedded."""
        found = [np.zeros((0, self.dim), np.float32)]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            start = 0
            for inputs in self._prepared(rows, pool.map):
                found.append(self._batches(inputs, done))
                if not np.isfinite(found[-1]).all():
                    row = start + int(np.argmin(np.isfinite(found[-1]).all(axis=1)))
                    raise ConfigError(f"{self.name}[{row}]: its embedding is not finite")
                start += len(found[-1])
        return np.concatenate(found)

    def _prepared(self, rows: Iterable[Any], run: Callable[..., Any]) -> Iterator[Values]:
        """Inputs of each part of the values; the next are made while the model has some."""

        def begun() -> Iterator[Callable[[], Any]]:
            start = 0
            for part in values_lib.parts(
                rows, self.size * (_SORTED_BATCHES if self.encoder else 1)
            ):
                yield preparing(self.name, self.view, part, start, run)
                start += len(part)

        return ahead(begun())

    def _batches(self, inputs: Values, done: Callable[[int], Any]) -> np.ndarray:
        """Embeds inputs in batches of similar length, of which the next is sent beforehand."""
        count = len(inputs[0]) if isinstance(inputs, tuple) else len(inputs)
        found = np.zeros((count, self.dim), np.float32)
        order = np.arange(count)
        texts = isinstance(inputs, np.ndarray) and inputs.ndim == 2 and inputs.size
        if texts and self.encoder is not None:
            lengths = text_length.lengths(self.encoder, cast(np.ndarray, inputs))
            order = np.argsort(lengths, kind="stable")

        def begin(rows: np.ndarray) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
            wait = self._begin(inputs, rows)
            return lambda: (rows, wait())

        for rows, unit in ahead(map(begin, np.split(order, range(self.size, count, self.size)))):
            found[rows] = unit
            done(len(rows))
        return found

    def _begin(self, inputs: Values, rows: np.ndarray) -> Waiting:
        """A batch of inputs, padded to a size of which there are few."""
        size = min(1 << (len(rows) - 1).bit_length(), self.size)
        size += -size % self.shards

        def padded(x: np.ndarray) -> np.ndarray:
            filled: np.ndarray = np.concatenate(
                [x[rows], np.repeat(x[rows[-1:]], size - len(rows), axis=0)]
            )
            return filled

        whole = tuple(map(padded, inputs)) if isinstance(inputs, tuple) else padded(inputs)
        try:
            wait = self.begin(whole)
        except (TypeError, ValueError) as error:  # of the tower, when jax traces it
            why = str(error).partition("\n")[0]
            if isinstance(inputs, tuple):
                raise ConfigError(f"{self.name}: {why}") from error
            takes = f", but {self.shape}" if self.shape else ""
            raise ConfigError(
                f"{self.name}: the tower does not take {shown(inputs.dtype, inputs.shape)}{takes} "
                f"({why})"
            ) from error
        return lambda: wait()[: len(rows)]


def preparing(
    name: str, view_of: Callable[[], Any], values: Any, start: int, run: Callable[..., Any]
) -> Callable[[], Any]:
    """What gives the inputs [N, ...] of raw values, which `run` begins to make now.

    Of a fusion it gives a tuple of them; an array is ready.

    Args:
      name: what errors call the values, the first of which is number `start`.
      view_of: gives the view, or raises where there is none.
      values: N raw values, or an array of inputs.
      start: see `name`.
      run: as `map`.
    """
    if isinstance(values, np.ndarray):
        return lambda: values
    view = view_of()

    def one(i: int, value: Any) -> Any:
        try:
            if isinstance(view, FusedView):
                return view(_plain_parts(value, view), None, False)
            return view(values_lib.plain(value, view), None, False)
        except (BadExample, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConfigError(f"{name}[{i}]: {reason}") from error

    made = run(one, range(start, start + len(values)), values)

    def stacked() -> Any:
        if isinstance(view, FusedView):
            return tuple(map(np.stack, zip(*made, strict=True)))
        return np.stack(list(made))

    return stacked


def shown(dtype: Any, shape: Sequence[Any]) -> str:
    """An array's type and shape, for errors."""
    return f"{dtype} [{', '.join(map(str, shape))}]"


def _plain_parts(values: Any, view: FusedView) -> Any:
    """The values of a fusion's inputs, as their views take them."""
    if not isinstance(values, list | tuple) or len(values) != len(view.inputs):
        return values  # which the view refuses
    pairs = zip(view.inputs, values, strict=True)
    return [values_lib.plain(value, own) for (_, own), value in pairs]

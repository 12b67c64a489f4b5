"""The views of several fields as one, whose arrays a fusion makes one embedding of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.data.records import unusable
from mmjax.data.views.base import View


@dataclasses.dataclass(frozen=True)
class FusedView:
    """What evaluators and models for inference know a fusion by; no batch of training has it.

    Attributes:
      inputs: (name, view) of each input of the fusion, in its order.
    """

    inputs: tuple[tuple[str, View], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs."""
        return tuple(name for name, _ in self.inputs)

    def __call__(
        self, values: Sequence[Any], rng: np.random.Generator | None, train: bool
    ) -> tuple[np.ndarray, ...]:
        """The array of each input.

        Raises:
          BadExample: of a view; and for another number of values than inputs.
        """
        if not isinstance(values, list | tuple) or len(values) != len(self.inputs):
            raise unusable(f"a tuple of {len(self.inputs)} values is needed, {self.names}")
        pairs = zip(self.inputs, values, strict=True)
        return tuple(view(value, rng, train) for (_, view), value in pairs)

    def empty(self) -> tuple[np.ndarray, ...]:
        """Arrays of nothing, of the shapes that the call gives."""
        return tuple(np.zeros(view.shape, view.dtype) for _, view in self.inputs)

    def renewed(self, views: Mapping[str, Any]) -> FusedView:
        """The same of other views of its inputs."""
        return FusedView(tuple((name, views[name]) for name in self.names))

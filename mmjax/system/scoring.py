"""Scores of pairs by a term of the model, of rows that are laid side by side as vectors."""

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.objectives.scores import PairScore

Shapes = tuple[tuple[str, tuple[int, ...], bool], ...]  # name, shape of a row, whether it is bool


def shapes_of(features: Mapping[str, jax.Array]) -> Shapes:
    """What `flat` lays side by side."""
    return tuple(
        (name, each.shape[1:], each.dtype == jnp.bool_) for name, each in sorted(features.items())
    )


def flat(features: Mapping[str, jax.Array]) -> jax.Array:
    """f32[B, F] of features [B, ...]."""
    parts = [jnp.float32(each).reshape(len(each), -1) for _, each in sorted(features.items())]
    return jnp.concatenate(parts, axis=1)


@dataclasses.dataclass(frozen=True)
class FlatScore:
    """The score f32[r, c] of rows f32[r, F] and columns f32[c, F'], with features as `flat`.

    Attributes:
      score: of the features.
      rows, columns: their shapes.
      swapped: whether the rows are the score's columns.
    """

    score: PairScore
    rows: Shapes
    columns: Shapes
    swapped: bool

    def __call__(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        x, y = features_of(rows, self.rows), features_of(columns, self.columns)
        return self.score(y, x).T if self.swapped else self.score(x, y)


def features_of(rows: jax.Array, shapes: Shapes) -> dict[str, jax.Array]:
    """The features that `flat` laid side by side."""
    sizes = [math.prod(shape) for _, shape, _ in shapes]
    parts = jnp.split(rows, np.cumsum(sizes)[:-1].tolist(), axis=1)
    found = {}
    for (name, shape, is_bool), part in zip(shapes, parts, strict=True):
        part = part.reshape(len(part), *shape)
        found[name] = part > 0.5 if is_bool else part
    return found

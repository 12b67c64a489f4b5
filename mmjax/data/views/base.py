"""What a view is, and how one is applied to a field of a record.

A view turns one raw value (encoded bytes, a caption, numbers) into an array of fixed shape. It is
random in training, where it picks one of several alternatives and augments it, and deterministic in
evaluation, where it takes the first alternative.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mmjax.data.sources.base import BadExample, Record


class View(Protocol):
    """A callable `view(value, rng, train) -> array` of the stated shape and dtype.

    Raises BadExample with an empty key and field if the value cannot be used: only the caller
    knows whose it is; `render` fills them in.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray: ...


def unusable(reason: str) -> BadExample:
    """The error of a view for a value that it cannot use."""
    return BadExample("", "", reason)


def pick(value: Any, rng: np.random.Generator | None, train: bool) -> Any:
    """One of the alternatives if the value is a list of them: at random, or the first."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise unusable("the list of alternatives is empty")
    return value[rng.integers(len(value))] if train and len(value) > 1 else value[0]


def field_of(name: str) -> str:
    """The field of a record that a batch key is made of: `image@2` is a second view of `image`."""
    return name.partition("@")[0]


def render(
    view: View, record: Record, name: str, rng: np.random.Generator | None, train: bool
) -> np.ndarray | None:
    """Applies a view to its field of a record; None if the record lacks the field.

    Args:
      view: the view.
      record: of a source.
      name: key of the batch, `image` or `image@2`.
      rng: used in training only.
      train: whether to augment.

    Raises:
      BadExample: with the key of the record and the name of the field.
    """
    field = field_of(name)
    if field not in record:
        return None
    try:
        return view(record[field], rng, train)
    except BadExample as error:
        raise BadExample(record["key"], error.field or field, error.reason) from error

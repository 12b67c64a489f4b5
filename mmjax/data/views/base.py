"""The base class of views, and how one is applied to a field of a record.

A view turns one raw value (encoded bytes, a caption, numbers) into an array of fixed shape. It is
random in training, where it picks one of several alternatives and augments it, and deterministic in
evaluation, where it takes the first alternative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from mmjax.data.records import BadExample, Record, unusable
from mmjax.data.tokenizers.base import Tokenizer
from mmjax.files import pointer
from mmjax.schema.names import modality_of


class View(ABC):
    """A callable `view(value, rng, train) -> array` of the stated shape and dtype.

    Raises BadExample with an empty key and field if the value cannot be used: only the caller
    knows whose it is; `render` fills them in.

    Attributes:
      shape: of the array.
      dtype: of the array.
      embedded: whether a tower embeds it; False for what only objective terms read.
      name: in the recipe, if it is of one.
      field: of a record that it reads; empty where its name says it (`field_of`).
      reads_text: whether a string is a value; to other views people give strings as paths.
      tokenizer: what made ids of a text; None where the array holds no ids.
      eos: whether a text ends in the tokenizer's mark for that.
      limits: the least and the greatest number of its arrays, of each channel or of all; None
        where they have no bounds, or it does not know them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    embedded: bool = True
    name: str = ""
    field: str = ""
    reads_text: bool = False
    tokenizer: Tokenizer | None = None
    eos: bool = False
    limits: tuple[np.ndarray, np.ndarray] | None = None

    @abstractmethod
    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray: ...

    def content(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """What an array of this view holds, without its padding: parts of one kind each.

        Args:
          array: of the view's shape and dtype.

        Returns:
          Name -> part; every array of a view has parts of the same names and shapes:
            i[...], ids, -1 where there is none: padding and the tokenizer's other marks;
            f[W], numbers that have a place each, NaN where one is missing;
            f[..., C], C channels at positions, NaN where nothing was measured.
          By default the array is one part.
        """
        return content(array, self.tokenizer)


def content(array: np.ndarray, tokenizer: Tokenizer | None = None) -> dict[str, np.ndarray]:
    """An array as its only part, see `View.content`; ids of padding and marks of a text are -1."""
    if tokenizer is not None:
        marks = (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
        array = np.where(np.isin(array, marks), -1, array)
    return {"": array}


def pick(value: Any, rng: np.random.Generator | None, train: bool) -> Any:
    """One of the alternatives if the value is a list of them: at random, or the first.

    Raises:
      BadExample: of a view, if there is none, or a pointer is in the place of a file's content.
    """
    if isinstance(value, list | tuple):
        if not value:
            raise unusable("the list of alternatives is empty")
        chosen = required(rng).integers(len(value)) if train and len(value) > 1 else 0
        value = value[chosen]
    if isinstance(value, bytes | bytearray | memoryview | str) and (what := pointer(value)):
        raise unusable(f"it is only {what}")
    return value


def required(rng: np.random.Generator | None) -> np.random.Generator:
    """The random numbers that a view is given in training."""
    assert rng is not None
    return rng


def field_of(name: str, view: Callable[..., Any], fields: Container[str]) -> str:
    """The field of a record that a view reads.

    Args:
      name: of the view, unless it knows its own.
      view: the view.
      fields: that there are.

    Returns:
      The field that the view says; else that of the view's own name, or else its modality's.
    """
    if isinstance(view, View):
        if view.field:
            return view.field
        name = view.name or name
    return name if name in fields else modality_of(name)


def group_of(name: str, view: View) -> str:
    """Under which name a batch says whether a view is there: its own field, or the modality.

    A row lacks all views of one group together.
    """
    return view.field or modality_of(view.name or name)


def render(
    view: View, record: Record, field: str, rng: np.random.Generator | None, train: bool
) -> np.ndarray | None:
    """Applies a view to a field of a record; None if the record lacks the field.

    Args:
      view: the view.
      record: of a source.
      field: that it reads, see `field_of`.
      rng: used in training only.
      train: whether to augment.

    Raises:
      BadExample: with the key of the record and the name of the field.
    """
    if field not in record:
        return None
    try:
        return view(record[field], rng, train)
    except BadExample as error:
        raise BadExample(record["key"], error.field or field, error.reason) from error

"""Records and the sources that return them, with the errors of both.

A source neither decodes, augments nor batches. It hands out raw values (encoded images, strings,
arrays) by position, so that the order of the data can be computed from one integer elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmjax.errors import UserError
from mmjax.text import one_line

Record = dict[str, Any]


class SourceError(UserError, ValueError):
    """A source cannot be opened at all; the message says which file or option, and what to do."""


class BadExample(UserError, ValueError):
    """One example cannot be used; raised by ``source[i]`` or by a view of one of its fields.

    Attributes:
        key: what a person recognises the example by, e.g. ``captions.csv row 17 (dog.jpg)``.
        field: the modality or column at fault, e.g. ``image``.
        reason: what is wrong with it, without a full stop, e.g. ``the file does not exist``.
    """

    def __init__(self, key: str, field: str, reason: str):
        # All three go to `args`, so that the error survives pickling between worker processes.
        super().__init__(key, field, reason)
        self.key, self.field, self.reason = key, field, reason

    def __str__(self) -> str:
        return one_line(f"{self.key}: {self.field}: {self.reason}.")


def unusable(reason: str) -> BadExample:
    """The error of a reader or a view for a value that it cannot use; its caller knows whose."""
    return BadExample("", "", reason)


def options(value: Any) -> list[Any]:
    """The alternatives of a record's field: a list as it is, anything else as the only one."""
    return list(value) if isinstance(value, list | tuple) else [value]


class ClassPrompts(NamedTuple):
    """How a class is put into words.

    Attributes:
      value: of the class, as records carry it.
      name: of the class.
      prompts: with the name, whole.
    """

    value: Any
    name: str
    prompts: Sequence[str]


class Source(ABC):
    """Random access to records, picklable, and safe to read from several threads.

    ``source[i]`` returns ``{'id': int, 'key': str, <modality>: value or list of values, ...}``.
    Several values are alternatives of each other (captions of one image, images of one
    concept); training picks one at random and evaluation takes the first. A record may lack a
    modality, and may carry labels such as ``'group'``. An image is encoded bytes or a uint8 array
    [height, width, 3 or 4]; a text is a str.

    Attributes:
        modalities: the fields that records have and a view can use; `image@second` is a further
            field of the modality `image`, for the view of that name.
        label_fields: fields that are labels: a view may read them as it reads a modality, and
            evaluators find them among a record's other fields.
        may_lack: the modalities that a record may be without.
        bad: the rows that it left out from the start.
        listed: the number of rows that it found, of every split and those in `bad` included.
    """

    modalities: tuple[str, ...]
    label_fields: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    bad: Sequence[BadExample] = ()
    _id_limit: int | None = None
    _listed: int | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Record: ...

    @abstractmethod
    def describe(self) -> str:
        """One phrase for the header of a run."""

    @property
    def readable(self) -> tuple[str, ...]:
        """What a view may read of its records: modalities and labels."""
        return (*self.modalities, *self.label_fields)

    @property
    def id_limit(self) -> int:
        """All ids are below it; the number of records unless a source sets another."""
        return len(self) if self._id_limit is None else self._id_limit

    @id_limit.setter
    def id_limit(self, limit: int) -> None:
        self._id_limit = limit

    @property
    def listed(self) -> int:
        return len(self) + len(self.bad) if self._listed is None else self._listed

    def id_of(self, index: int) -> int:
        """The id of a record, also of one that cannot be read; its position by default."""
        return index

    def label_values(self, field: str) -> list[Any]:
        """The value of a label for every row, None where a row lacks it or cannot be read.

        By default every record is read, which takes time where that means files.

        Args:
          field: one of `label_fields`.
        """
        return [self._label(row, field) for row in range(len(self))]

    def _label(self, row: int, field: str) -> Any:
        try:
            return self[row].get(field)
        except BadExample:
            return None

    def labels(self, field: str, language: str = "en") -> list[str] | None:
        """The names of all classes of a label, for zero-shot classification; None if not listed.

        Their order is the same in every language, and the English ones are the values that records
        carry.

        Raises:
            ValueError: for a field or a language of which a source that lists some has none.
        """
        del field, language
        return None

    def prompts(self, field: str) -> Sequence[ClassPrompts] | None:
        """Name and prompts of every class of a label; None if the source has none of its own.

        For zero-shot classification, where the values of classes are no names (`labels` lists
        values that are), or where the set comes with prompts.
        """
        del field
        return None

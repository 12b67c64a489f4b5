"""What every data source is: a random-access sequence of records, and the error for a bad one.

A source neither decodes, augments nor batches. It hands out raw values (encoded images, strings,
arrays) by position, so that the order of the data can be computed from one integer elsewhere.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from mmjax.errors import UserError

Record = dict[str, Any]


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
        return f"{self.key}: {self.field}: {self.reason}."


@runtime_checkable
class Source(Protocol):
    """Random access to records, picklable, and safe to read from several threads.

    ``source[i]`` returns ``{'id': int, 'key': str, <modality>: value or list of values, ...}``.
    Several values are alternatives of each other (captions of one image, images of one
    concept); training picks one at random and evaluation takes the first. A record may lack a
    modality, and may carry labels such as ``'group'``. An image is encoded bytes or a uint8 array
    [height, width, 3 or 4]; a text is a str.

    Attributes:
        modalities: the fields that records have and a view can use.

    A source may have these, too:
        label_fields: fields that are labels: a view may read them as it reads a modality, and
            evaluators find them among a record's other fields.
        may_lack: the modalities that a record may be without; none by default.
        id_limit: all ids are below it; its length by default.
        id_of: ``(index) -> id`` of a record that cannot be read; the index by default.
        bad: the rows that it left out from the start, as BadExample.
    """

    modalities: tuple[str, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    def describe(self) -> str:
        """One phrase for the header of a run."""
        ...

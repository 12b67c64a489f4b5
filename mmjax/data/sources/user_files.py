"""What the sources of a user's own files share: the split, the check of files, the bad rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from mmjax.data.formats.files import read_anywhere
from mmjax.data.formats.parquet import Stored
from mmjax.data.records import BadExample, Record, Source, SourceError
from mmjax.data.splits import Split, choose
from mmjax.schema.bounds import BelowOne

OnError = Literal["skip", "fail"]


class Entry(NamedTuple):
    """One example that passed the cheap checks."""

    id: int
    key: str
    name: str  # what decides its split: the file as the table or folder names it, or a column
    files: dict[str, str]  # modality -> path
    texts: dict[str, dict[str, list[str]]]  # modality -> language, or '' -> captions
    labels: dict[str, Any]  # a column's text, or what a source makes of it
    values: dict[str, Any] | None = None  # modality -> an array, or one left in its file


class FoundFiles(NamedTuple):
    """What the listing of a user's files gave."""

    name: str  # of the table or folder
    entries: list[Entry]
    bad: list[BadExample]
    modalities: tuple[str, ...]
    id_limit: int  # every id is below it
    may_lack: tuple[str, ...] = ()  # modalities that a record may lack
    notes: tuple[str, ...] = ()


class FileSource(Source):
    """A list of entries with a split; reads files when an example is asked for.

    Attributes:
      modalities: the fields that records have.
      may_lack: those of them that a record may lack.
      label_fields: labels that the records carry along.
      id_limit: every id is below it, whatever the split.
      bad: the rows that were left out, one error each.
      notes: what a person should know about what was found.
    """

    def __init__(
        self, found: FoundFiles, *, split: Split, val_fraction: BelowOne, on_error: OnError
    ):
        self.name, self.modalities, self.may_lack = found.name, found.modalities, found.may_lack
        self.id_limit, self.notes = found.id_limit, found.notes
        self.label_fields = tuple(sorted({name for e in found.entries for name in e.labels}))
        self.bad = settle(found.name, len(found.entries), found.bad, on_error)
        self._listed = len(found.entries) + len(self.bad)
        # By the name of the image, so that all its captions fall on one side.
        self.entries = choose(found.name, found.entries, lambda e: e.name, split, val_fraction)

    def __len__(self) -> int:
        return len(self.entries)

    def id_of(self, index: int) -> int:
        return self.entries[index].id

    def label_values(self, field: str) -> list[Any]:
        return [entry.labels.get(field) for entry in self.entries]

    def __getitem__(self, index: int) -> Record:
        entry = self.entries[index]
        record: Record = {"id": entry.id, "key": entry.key, **entry.labels}
        for field, path in entry.files.items():
            record[field] = self.read(path, entry.key, field)
        for field, value in (entry.values or {}).items():
            record[field] = _stored(value, entry.key, field)
        for field, captions in entry.texts.items():
            several = {key: own if len(own) > 1 else own[0] for key, own in captions.items()}
            record[field] = several.get("", several)
        return record

    def read(self, path: str, key: str, field: str) -> Any:
        """The value of a file: its bytes, unless a kind of file says otherwise; or BadExample."""
        return read_anywhere(path, key, field)

    def describe(self) -> str:
        """One line for the header of a run: what was found and what was left out."""
        skipped = f", {len(self.bad)} bad rows skipped" if self.bad else ""
        notes = "".join(f"; {note}" for note in self.notes)
        return f"{self.name}: {len(self):,} examples{skipped}{notes}"


def settle(
    name: str, good: int, bad: Sequence[BadExample], on_error: OnError
) -> Sequence[BadExample]:
    """Returns the bad rows where they may be skipped; raises one error for all where not."""
    if on_error not in ("skip", "fail"):
        raise SourceError(f"{name}: on_error is {on_error!r}; it can be 'skip' or 'fail'")
    if bad and (on_error == "fail" or not good):
        first = " ".join(str(error) for error in itertools.islice(bad, 3))
        more = f" And {len(bad) - 3} more." if len(bad) > 3 else ""
        advice = "Fix them, or set on_error='skip' to leave them out." if good else ""
        said = f"{len(bad)} of {good + len(bad)} rows cannot be used. {first}{more} {advice}"
        raise SourceError(f"{name}: {said}".rstrip())
    if not good:
        raise SourceError(f"{name} holds no examples")
    return bad


def _stored(value: Any, key: str, field: str) -> Any:
    """A value that is here already, or one that its file still holds."""
    if not isinstance(value, Stored):
        return value
    try:
        return value.read()
    except ValueError as error:
        raise BadExample(key, field, str(error)) from error

"""A row of a table as an example: which files, captions and numbers its cells give."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmjax.data.formats import remote
from mmjax.data.formats.files import missing
from mmjax.data.formats.parquet import Stored
from mmjax.data.formats.tables import Row
from mmjax.data.records import BadExample
from mmjax.data.sources.user_files import Entry
from mmjax.schema.names import modality_of

# As a recipe names them: a column, alternatives, or either by language.
Columns = dict[str, str | tuple[str, ...] | dict[str, str | tuple[str, ...]]]
Fields = dict[str, dict[str, list[str]]]  # modality -> language, or '' -> columns
Kinds = dict[str, tuple[str, str]]  # modality -> its kind, and where it was seen first


class Reader:
    """Turns a row of the table into an entry, or raises BadExample; see `ManifestSource`."""

    def __init__(
        self,
        file: str,
        fields: Fields,
        labels: Mapping[str, str],
        kinds: Kinds,
        *,
        arrays: tuple[str, ...],
        optional: tuple[str, ...],
        json_lists: bool,
        root: str | None,
        split_by: str | None,
        check_files: bool,
    ):
        self.name, self.fields, self.labels = os.path.basename(file), fields, labels
        self.arrays, self.optional = arrays, optional
        self.json_lists, self.check_files, self.split_by = json_lists, check_files, split_by
        root = os.path.dirname(file) if root is None else root
        self.root = root if remote.is_remote(root) else os.path.abspath(root)
        self._kinds = kinds

    def __call__(self, position: int, row: Row) -> Entry:
        key = f"{self.name} row {row.number}"
        if row.problem:
            raise BadExample(key, "row", row.problem)
        cells = {m: self._content(row, m, key) for m in self.fields if not is_text(m)}
        names = {m: value for m, value in cells.items() if isinstance(value, str)}
        shown = next(iter(names.values()), None)
        key = f"{key} ({os.path.basename(shown)})" if shown else key
        texts = {m: self._texts(row, m, key) for m in self.fields if is_text(m)}
        for modality, value in (cells | texts).items():
            if value is None or (is_text(modality) and not any(value.values())):
                if modality in self.optional:
                    continue
                what = "the caption is empty" if is_text(modality) else self._blank(modality)
                raise BadExample(key, modality, what)
        files = {m: self._path(name, m, key) for m, name in names.items()}
        values = {m: v for m, v in cells.items() if v is not None and m not in names}
        captions = {
            m: {language: own for language, own in parts.items() if own}
            for m, parts in texts.items()
            if any(parts.values())
        }
        if not files and not captions and not values:
            raise BadExample(key, "row", "all of its cells are blank")
        if self.check_files:
            for modality, path in files.items():
                if not remote.is_remote(path) and (reason := missing(path)):
                    raise BadExample(key, modality, reason)
        for modality, value in cells.items():
            if value is not None:
                self._check_kind(modality, value, f"row {row.number}", key)
        labels = {label: first(row, column) for label, column in self.labels.items()}
        labels = {label: str(value) for label, value in labels.items() if value is not None}
        name = "\n".join(names.values()) or key
        if self.split_by is not None:
            value = first(row, self.split_by)
            if value is None or not (name := str(value).strip()):
                raise BadExample(key, self.split_by, "it is blank, and it decides the split")
        return Entry(position, key, name, files, captions, labels, values)

    def _path(self, name: str, modality: str, key: str) -> str:
        """Of a file in a cell, by the folder that names start from."""
        if not remote.is_remote(self.root):
            return os.path.join(self.root, name)
        if os.path.isabs(name) or ("://" in name and not remote.is_remote(name)):
            what = "a file of this machine, and the names in it start from an address"
            raise BadExample(key, modality, f"{name} is {what}")
        return remote.join(self.root, name)

    def _blank(self, modality: str) -> str:
        return "it holds no numbers" if modality in self.arrays else "no file is named"

    def _check_kind(self, modality: str, value: Any, here: str, key: str) -> None:
        kind = _kind_of(value)
        before, where = self._kinds.setdefault(modality, (kind, f"{self.name} {here}"))
        if kind != before:
            where = where.removeprefix(f"{self.name} ")
            raise BadExample(key, modality, f"it is {kind}, where {where} has {before}")

    def _content(self, row: Row, modality: str, key: str) -> Any:
        """A file's name, an array, or a value left in its file; None for blank cells."""
        (columns,) = self.fields[modality].values()
        found = [value for column in columns for value in row.cells.get(column, [])]
        if any(isinstance(value, Stored) for value in found) and len(columns) == 1:
            return found[0]
        # One number by itself may as well be a file's name that lost its quotes.
        listed = len(found) > 1 or (found and isinstance(found[0], list))
        if modality in self.arrays or (listed and all(map(_numeric, found))):
            return self._array(row, modality, columns, key)
        named = _strings(row, columns, modality, key)
        if len(named) > 1:
            raise BadExample(key, modality, f"it names {len(named)} files instead of one")
        return self._file_name(named[0]) if named else None

    def _file_name(self, cell: str) -> str:
        """The name of a file in a cell: without spaces at its ends, unless it has them itself."""
        bare = cell.strip()
        if cell == bare or remote.is_remote(self.root):
            return bare
        return bare if missing(os.path.join(self.root, cell)) else cell

    def _array(self, row: Row, modality: str, columns: list[str], key: str) -> np.ndarray | None:
        if len(columns) > 1:
            value: Any = [_number(row, column, modality, key) for column in columns]
            return None if all(map(math.isnan, value)) else np.asarray(value, np.float64)
        value = row.cells.get(columns[0], [])
        if len(value) == 1 and isinstance(value[0], str):
            if not value[0].strip():
                return None
            try:
                value = json.loads(value[0])
            except (ValueError, RecursionError) as error:
                raise BadExample(key, modality, f"it is not a JSON list ({error})") from error
        if value is None or value in ([], [None]):
            return None
        try:
            kinds = {isinstance(leaf, bool) for leaf in _leaves(value) if leaf is not None}
            array = np.atleast_1d(np.asarray(_nan_for_none(value)))
        except (ValueError, OverflowError, RecursionError) as error:
            raise BadExample(key, modality, "its lists are not all of one length") from error
        if len(kinds) > 1:
            raise BadExample(key, modality, f"it mixes truth values and numbers: {value!r:.60}")
        if array.dtype.kind not in "iufb" or not array.size:
            raise BadExample(key, modality, f"it is no array of numbers: {value!r:.60}")
        return array

    def _texts(self, row: Row, modality: str, key: str) -> dict[str, list[str]]:
        """Captions by language; the language is '' where there are none."""
        return {
            language: self._captions(_strings(row, columns, modality, key), modality, key)
            for language, columns in self.fields[modality].items()
        }

    def _captions(self, cells: list[str], modality: str, key: str) -> list[str]:
        if not self.json_lists:
            return [cell.strip() for cell in cells]
        captions: list[str] = []
        for cell in cells:
            try:
                values = json.loads(cell)
            except (ValueError, RecursionError) as error:
                raise BadExample(key, modality, f"it is not a JSON list ({error})") from error
            if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
                raise BadExample(key, modality, "it is not a JSON list of strings")
            captions += [value.strip() for value in values if value.strip()]
        return captions


def is_text(modality: str) -> bool:
    """Whether a modality is captions, by its name."""
    name = modality_of(modality)
    return name == "text" or name.startswith("text_")


def first(row: Row, column: str) -> Any:
    """The first value of a cell; None where it is blank."""
    return next(iter(row.cells.get(column, ())), None)


def _strings(row: Row, columns: list[str], modality: str, key: str) -> list[str]:
    """The texts of cells that are not blank."""
    found = []
    for column in columns:
        for value in row.cells.get(column, []):
            if value is None:
                continue
            if not isinstance(value, str):
                raise BadExample(
                    key, modality, f"{column!r} is the {_kind(value)} {value!r:.60}, not text"
                )
            if value.strip():
                found.append(value)
    return found


def _number(row: Row, column: str, modality: str, key: str) -> float:
    """A number of a cell; NaN for a blank one."""
    value = first(row, column)
    if len(row.cells.get(column, ())) > 1:
        raise BadExample(key, modality, f"{column!r} holds several values, not one number")
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        # float() takes 1_000, too, which is no number in a table.
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str) and "_" not in value:
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise BadExample(key, modality, f"{column!r} is {value!r:.60}, not a number")


def _numeric(value: Any) -> bool:
    """Whether a value of JSON is numbers: one, or lists of them."""
    if isinstance(value, list):
        return bool(value) and all(map(_numeric, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _nan_for_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_nan_for_none(each) for each in value]
    return math.nan if value is None else value


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "the name of a file"
    if isinstance(value, Stored):
        return "stored in the table"
    return f"an array of {value.ndim} axes"


def _kind(value: Any) -> str:
    kinds = {bool: "truth value", int: "number", float: "number", bytes: "bytes"}
    return kinds.get(type(value), "JSON value")

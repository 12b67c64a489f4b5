"""Examples listed in a table: one row per example, with file names and captions in its columns."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.data.sources.base import BadExample
from mmjax.data.sources.tables import Format, Row, Table, read_table
from mmjax.data.sources.user_files import (
    Entry,
    FileSource,
    Found,
    OnError,
    SourceError,
    Split,
    existing,
    missing,
)

# The names that people give to the two columns, in order of preference.
KNOWN_COLUMNS = {
    "image": ("image", "file", "file_name", "filename", "filepath", "image_path", "path", "img"),
    "text": ("text", "caption", "captions", "title", "description", "alt_text"),
}


class ManifestSource(FileSource):
    """A CSV, TSV or JSON-lines file whose rows name a picture file and its caption.

    A row that cannot be used (a file that does not exist, an empty caption, too few cells, a
    repeated id, ...) is left out and listed in `bad`, or ends the run, as `on_error` says; nothing
    takes its place. The number of a row is the one that a spreadsheet shows: a header is row 1.
    File names are taken as they are: absolute, relative, or leading out of the folder.

    Args:
      path: the table. Relative file names in it start from its folder, or from `root`.
      columns: {modality: column}, or a list of columns whose cells are alternatives (several
        captions of one picture). `text` and `text_...` are captions; every other modality is a
        file. Without it, well-known column names are looked for.
      labels: {label: column} of columns to carry along as text, e.g. {'group': 'category'}.
      id_column: a column whose values must not repeat.
      optional: modalities that a row may leave blank; the record then lacks them.
      group_rows: make rows that name the same file one example with several captions, and the
        labels of the first. As examples of their own they would be negatives of each other.
      json_lists: a caption cell of a CSV file is a JSON list of captions.
      check_files: look at startup whether every file exists.
      format: of the table; 'auto' goes by the suffix.
      delimiter: between the cells of a CSV; None is a comma, or a tab in TSV.
      quotes: whether " quotes a cell.
      encoding: of the table, unless it starts with a byte-order mark.
      root: the folder that relative file names start from.
      split: 'train', 'val' or 'all', by a hash of the file name (see `choose`).
      val_fraction: the share of examples in 'val'.
      on_error: 'skip' or 'fail'.

    Raises:
      SourceError: if there is no such table or column, or no usable row.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: dict | None = None,
        labels: dict | None = None,
        id_column: str | None = None,
        optional: tuple[str, ...] = (),
        group_rows: bool = True,
        json_lists: bool = False,
        check_files: bool = True,
        format: Format = "auto",
        delimiter: str | None = None,
        quotes: bool = True,
        encoding: str = "utf-8",
        root: str | None = None,
        split: Split = "all",
        val_fraction: float = 0.1,
        on_error: OnError = "skip",
    ):
        found = read_manifest(
            path, columns=columns, labels=labels, id_column=id_column, optional=optional,
            group_rows=group_rows, json_lists=json_lists, check_files=check_files, root=root,
            format=format, delimiter=delimiter, quotes=quotes, encoding=encoding,
        )  # fmt: skip
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)


def read_manifest(
    path: str,
    *,
    columns: Mapping | None = None,
    labels: Mapping | None = None,
    id_column: str | None = None,
    optional: tuple[str, ...] = (),
    group_rows: bool = True,
    json_lists: bool = False,
    check_files: bool = True,
    root: str | None = None,
    **table_options: Any,
) -> Found:
    """The entries and the bad rows of a table; the arguments are those of `ManifestSource`."""
    file = existing(path, "table")
    if not file.is_file():
        raise SourceError(f"{file} is not a file; for a folder use type='folder'")
    table = read_table(file, **table_options)
    if not table.rows:
        raise SourceError(f"{file} holds no rows")
    fields = _fields(file, table, columns)
    labels = dict(labels or {})
    for what, column in (*labels.items(), ("id_column", id_column)):
        if column is not None and column not in table.columns:
            raise _no_column(file, table, what, column)
    for modality in optional:
        if modality not in fields:
            raise SourceError(f"{file}: optional names {modality!r}, but columns does not")

    reader = _Reader(file, fields, labels, tuple(optional), json_lists, root, check_files)
    entries, bad = [], []
    ids: dict[Any, str] = {}
    for position, row in enumerate(table.rows):
        try:
            entry = reader(position, row)
            if id_column is not None:
                _check_id(ids, row, id_column, entry.key)
        except BadExample as error:
            bad.append(error)
        else:
            entries.append(entry)
    named = ", ".join(f"{modality}={'+'.join(names)}" for modality, names in fields.items())
    notes = [f"columns {named}"]
    if group_rows and any(not _is_text(m) for m in fields):
        entries, merged = _group(entries)
        if merged:
            notes.append(f"{merged:,} rows joined to an earlier row of the same file")
    return Found(str(file), entries, bad, tuple(fields), len(table.rows), tuple(optional),
                 tuple(notes))  # fmt: skip


class _Reader:
    """Turns a row of the table into an entry, or raises BadExample."""

    def __init__(self, file: Path, fields: Mapping[str, list[str]], labels: Mapping[str, str],
                 optional: tuple[str, ...], json_lists: bool, root: str | None,
                 check_files: bool):  # fmt: skip
        self.name, self.fields, self.labels = file.name, fields, labels
        self.optional, self.json_lists, self.check_files = optional, json_lists, check_files
        self.root = os.path.abspath(root if root is not None else file.parent)

    def __call__(self, position: int, row: Row) -> Entry:
        key = f"{self.name} row {row.number}"
        if row.problem:
            raise BadExample(key, "row", row.problem)
        files = {m: self._values(row, m, key) for m in self.fields if not _is_text(m)}
        shown = next((values[0] for values in files.values() if values), None)
        key = f"{key} ({os.path.basename(shown)})" if shown else key
        texts = {m: self._texts(row, m, key) for m in self.fields if _is_text(m)}
        for modality, values in (files | texts).items():
            if not values and modality not in self.optional:
                what = "the caption is empty" if _is_text(modality) else "no file is named"
                raise BadExample(key, modality, what)
            if len(values) > 1 and not _is_text(modality):
                raise BadExample(key, modality, f"it names {len(values)} files instead of one")
        name = "\n".join(values[0] for values in files.values() if values) or key
        files = {m: os.path.join(self.root, v[0]) for m, v in files.items() if v}
        texts = {m: v for m, v in texts.items() if v}
        if not files and not texts:
            raise BadExample(key, "row", "all of its cells are blank")
        if self.check_files:
            for modality, path in files.items():
                if reason := missing(path):
                    raise BadExample(key, modality, reason)
        labels = {label: _first(row, column) for label, column in self.labels.items()}
        labels = {label: str(value) for label, value in labels.items() if value is not None}
        return Entry(position, key, name, files, texts, labels)

    def _values(self, row: Row, modality: str, key: str) -> list[str]:
        """The cells of a modality that are not blank, without the spaces around them."""
        found = []
        for column in self.fields[modality]:
            for value in row.cells.get(column, []):
                if value is None:
                    continue
                if not isinstance(value, str):
                    raise BadExample(
                        key, modality, f"{column!r} is the {_kind(value)} {value!r:.60}, not text"
                    )
                if value.strip():
                    found.append(value.strip())
        return found

    def _texts(self, row: Row, modality: str, key: str) -> list[str]:
        cells = self._values(row, modality, key)
        if not self.json_lists:
            return cells
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


def _is_text(modality: str) -> bool:
    return modality == "text" or modality.startswith("text_")


def _first(row: Row, column: str) -> Any:
    return next(iter(row.cells.get(column, ())), None)


def _kind(value: Any) -> str:
    return {bool: "truth value", int: "number", float: "number"}.get(type(value), "JSON value")


def _fields(file: Path, table: Table, columns: Mapping | None) -> dict[str, list[str]]:
    """{modality: its columns}, all of which exist."""
    if columns is None:
        fields = {}
        for modality, names in KNOWN_COLUMNS.items():
            found = [column for name in names for column in table.columns if column.lower() == name]
            if not found:
                raise _no_column(file, table, modality)
            fields[modality] = found[:1]
        return fields
    if not columns:
        raise SourceError(f"{file}: columns is empty; give {{modality: column}}")
    fields = {}
    for modality, named in columns.items():
        fields[modality] = [named] if isinstance(named, str) else list(named)
        for column in fields[modality]:
            if column not in table.columns:
                raise _no_column(file, table, modality, column)
    return fields


def _no_column(file: Path, table: Table, what: str, wanted: str | None = None) -> SourceError:
    found = ", ".join(repr(name) for name in table.columns[:20]) or "none"
    names = [wanted] if wanted else list(KNOWN_COLUMNS[what])
    lower = {name.lower(): name for name in table.columns}
    near = [m for name in names for m in difflib.get_close_matches(name.lower(), lower, n=1)]
    hint = f", of which {lower[near[0]]!r} is the nearest" if near else ""
    return SourceError(
        f"{file}: the column for {what!r} ({' or '.join(names)}) is missing; the columns found are "
        f"{found}{hint}; name them with columns={{'image': ..., 'text': ...}}, or set delimiter"
    )


def _check_id(ids: dict, row: Row, column: str, key: str) -> None:
    value = _first(row, column)
    if value is None or value == "":
        raise BadExample(key, column, "the id is empty")
    if repr(value) in ids:
        raise BadExample(key, column, f"the id {value!r} is already that of {ids[repr(value)]}")
    ids[repr(value)] = key


def _group(entries: list[Entry]) -> tuple[list[Entry], int]:
    """Joins entries of the same files into the first of them, with all their captions."""
    grouped: dict[Any, Entry] = {}
    captions: dict[tuple[Any, str], dict[str, None]] = {}  # an ordered set for each text
    for entry in entries:
        # Only for the comparison: beyond a link, a/../b may be another file than b.
        files = tuple((m, os.path.normpath(path)) for m, path in entry.files.items())
        identity = files or entry.id
        grouped.setdefault(identity, entry)
        for modality, texts in entry.texts.items():
            captions.setdefault((identity, modality), {}).update(dict.fromkeys(texts))
    for (identity, modality), texts in captions.items():
        grouped[identity].texts[modality] = list(texts)
    return list(grouped.values()), len(entries) - len(grouped)

"""Examples listed in a table: a row per example, with files, captions and numbers in its cells."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.data.formats import remote
from mmjax.data.formats.files import existing, refuse_pointer
from mmjax.data.formats.tables import Format, Row, Table, read_table
from mmjax.data.records import BadExample, SourceError
from mmjax.data.sources.manifest_rows import Columns, Fields, Kinds, Reader, first, is_text
from mmjax.data.sources.user_files import Entry, FileSource, FoundFiles, OnError
from mmjax.data.splits import Split
from mmjax.schema.bounds import BelowOne

# The names that people give to columns of files and of captions, in order of preference; of the
# files of a modality, first of all its own.
_OF_FILES = ("file", "file_name", "filename", "filepath", "image_path", "path")
_OF_CAPTIONS = ("text", "caption", "captions", "title", "description", "alt_text", "report")
_ALIASES = {
    "image": ("img", "jpg", "png"),
    "audio": ("sound", "wav"),
    "video": ("clip",),
    "ecg": ("record",),
    "series": ("signal",),
}


def known_columns(modality: str) -> tuple[str, ...]:
    """The usual names of the column of a modality, lower case, the likeliest first."""
    if is_text(modality):
        return _OF_CAPTIONS
    return (modality, *_OF_FILES, f"{modality}_path", *_ALIASES.get(modality, ()))


class ManifestSource(FileSource):
    """A CSV, TSV, JSON-lines or Parquet file with a column for each modality.

    What a cell holds decides how it is read. Of `text` and `text_...`, a caption. Of every other
    modality, the name of a file, as it is: absolute, relative, or leading out of the folder; in
    JSON lines and Parquet also a list of numbers (lists of lists for more axes), and in Parquet the
    content of a file. All rows of a modality are of the kind of the first, and a row of another is
    a bad one.

    A row that cannot be used (a file that does not exist, an empty caption, too few cells, a
    repeated id, ...) is left out and listed in `bad`, or ends the run, as `on_error` says; nothing
    takes its place. The number of a row is the one that a spreadsheet shows: a header is row 1.

    Args:
      path: the table, or a pattern with `*` of several that have the same columns; also an address
        such as `https://host/pairs.csv`. Relative file names in one start from its folder, or from
        `root`. Files may be addresses where the table or `root` is one.
      columns: {modality: column}, or a list of columns whose cells are alternatives (several
        captions of one image), or {language: column} of captions. Without it, well-known names of
        the columns of `modality` and of captions are looked for. `image@second` names a further
        column of a modality, for the view of that name.
      modality: of the files, where `columns` does not name any.
      arrays: modalities that are numbers: one column whose cells are lists (in CSV, JSON text such
        as [1, 2.5, null]), or several columns of one number each, joined in this order. A blank
        cell or null among others is NaN.
      labels: {label: column} of columns to carry along as text, e.g. {'group': 'category'}.
      id_column: a column whose values must not repeat.
      optional: modalities that a row may leave blank; the record then lacks them.
      group_rows: make rows that name the same file one example with several captions, and the
        labels of the first. As examples of their own they would be negatives of each other.
      json_lists: a caption cell of a CSV file is a JSON list of captions.
      check_files: look at startup whether every file exists, and read what a Parquet file stores;
        files at addresses are looked at when they are read.
      format: of the table; 'auto' goes by the suffix.
      delimiter: between the cells of a CSV; None is a comma, or a tab in TSV.
      quotes: whether " quotes a cell.
      encoding: of the table, unless it starts with a byte-order mark.
      root: the folder that relative file names start from.
      split_by: a column, such as of patients, whose rows of one value are in one split.
      split: 'train', 'val' or 'all', by a hash of the file name or of that value (see `choose`).
      val_fraction: the share of examples in 'val'.
      on_error: 'skip' or 'fail'.

    Raises:
      SourceError: if there is no such table or column, or no usable row.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: Columns | None = None,
        modality: str = "image",
        arrays: tuple[str, ...] = (),
        labels: dict[str, str] | None = None,
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
        split_by: str | None = None,
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
        on_error: OnError = "skip",
    ):
        found = read_manifest(
            path,
            columns=columns,
            modality=modality,
            arrays=arrays,
            labels=labels,
            id_column=id_column,
            optional=optional,
            group_rows=group_rows,
            json_lists=json_lists,
            check_files=check_files,
            root=root,
            split_by=split_by,
            format=format,
            delimiter=delimiter,
            quotes=quotes,
            encoding=encoding,
        )
        super().__init__(found, split=split, val_fraction=val_fraction, on_error=on_error)


def read_manifest(
    path: str,
    *,
    columns: Mapping[str, Any] | None = None,
    modality: str = "image",
    arrays: tuple[str, ...] = (),
    labels: Mapping[str, Any] | None = None,
    id_column: str | None = None,
    optional: tuple[str, ...] = (),
    group_rows: bool = True,
    json_lists: bool = False,
    check_files: bool = True,
    root: str | None = None,
    split_by: str | tuple[str, ...] | None = None,
    **table_options: Any,
) -> FoundFiles:
    """The entries and the bad rows of a table; the arguments are those of `ManifestSource`.

    Several names in `split_by` are those that the column may have, if there is one.
    """
    labels, count = dict(labels or {}), 0
    entries, bad = [], []
    ids: dict[Any, str] = {}
    kinds: Kinds = {}
    for file in _files(path):
        copy = _at_hand(file)
        try:
            table = read_table(copy, check=check_files, **table_options)
        except SourceError as error:
            raise SourceError(str(error).replace(str(copy), file)) from error
        if not table.rows:
            raise SourceError(f"{file} holds no rows")
        fields = _fields(file, table, columns, modality)
        by = split_by
        if isinstance(by, tuple):
            by = next((c for name in by for c in table.columns if c.lower() == name), None)
        for what, column in (*labels.items(), ("id_column", id_column), ("split_by", by)):
            if column is not None and column not in table.columns:
                raise _no_column(file, table, what, column)
        _check_options(file, fields, optional, arrays)
        reader = Reader(
            file,
            fields,
            labels,
            kinds,
            arrays=tuple(arrays),
            optional=tuple(optional),
            json_lists=json_lists,
            root=root,
            split_by=by,
            check_files=check_files,
        )
        for position, row in enumerate(table.rows, start=count):
            try:
                entry = reader(position, row)
                if id_column is not None:
                    _check_id(ids, row, id_column, entry.key)
            except BadExample as error:
                bad.append(error)
            else:
                entries.append(entry)
        count += len(table.rows)
    named = ", ".join(
        f"{modality}={'+'.join(column for names in parts.values() for column in names)}"
        for modality, parts in fields.items()
    )
    notes = [f"columns {named}", *([f"split by {by!r}"] if by else ())]
    if group_rows and any(entry.files for entry in entries):
        entries, merged = _group(entries)
        if merged:
            notes.append(f"{merged:,} rows joined to an earlier row of the same file")
    return FoundFiles(path, entries, bad, tuple(fields), count, tuple(optional), tuple(notes))


def _files(path: str) -> list[str]:
    """The table, or those that a pattern finds, in the order of their names."""
    if remote.is_remote(path):
        files = remote.find(path) if "*" in path else [path]
    elif "*" in path:
        files = sorted(glob.glob(os.path.expanduser(path)))
    else:
        files = [str(existing(path, "table"))]
    if not files:
        raise SourceError(f"no table is found by {path!r}")
    return files


def _at_hand(file: str) -> Path:
    """The path of a table; of one at an address, that of a copy.

    Raises:
      SourceError: when it is no file, or cannot be fetched.
    """
    if remote.is_remote(file):
        try:
            return remote.fetch(file)
        except OSError as error:
            raise SourceError(f"the table {file} cannot be fetched: {error}") from error
    refuse_pointer(Path(file))
    if not Path(file).is_file():
        raise SourceError(f"{file} is not a file; for a folder use type='folder'")
    return Path(file)


def _check_options(
    file: str, fields: Fields, optional: tuple[str, ...], arrays: tuple[str, ...]
) -> None:
    for option, named in (("optional", optional), ("arrays", arrays)):
        for modality in named:
            if modality not in fields:
                raise SourceError(f"{file}: {option} names {modality!r}, but columns does not")
    for modality in arrays:
        if is_text(modality):
            raise SourceError(f"{file}: arrays names {modality!r}, which is a caption by its name")


def _fields(file: str, table: Table, columns: Mapping[str, Any] | None, files: str) -> Fields:
    """{modality: {language, or '': its columns}}, all of which exist."""
    if columns is None:
        fields = {}
        for modality in (files, "text"):
            found = [
                column
                for name in known_columns(modality)
                for column in table.columns
                if column.lower() == name
            ]
            if not found:
                raise _no_column(file, table, modality)
            fields[modality] = {"": found[:1]}
        return fields
    if not columns:
        raise SourceError(f"{file}: columns is empty; give {{modality: column}}")
    fields = {}
    for modality, named in columns.items():
        parts = named if isinstance(named, Mapping) else {"": named}
        if isinstance(named, Mapping) and not (is_text(modality) and named):
            raise SourceError(
                f"{file}: columns gives {modality!r} by language, which only captions have"
            )
        fields[modality] = {
            part: [column] if isinstance(column, str) else list(column)
            for part, column in parts.items()
        }
        if not all(fields[modality].values()):
            raise SourceError(f"{file}: columns names no column for {modality!r}")
        for column in (column for names in fields[modality].values() for column in names):
            if column not in table.columns:
                raise _no_column(file, table, modality, column)
    return fields


def _no_column(file: str, table: Table, what: str, wanted: str | None = None) -> SourceError:
    found = ", ".join(repr(name) for name in table.columns[:20]) or "none"
    names = [wanted] if wanted else list(known_columns(what))
    lower = {name.lower(): name for name in table.columns}
    near = [m for name in names for m in difflib.get_close_matches(name.lower(), lower, n=1)]
    hint = f", of which {lower[near[0]]!r} is the nearest" if near else ""
    return SourceError(
        f"{file}: the column for {what!r} ({' or '.join(names)}) is missing; the columns found are "
        f"{found}{hint}; name it with columns={{{what!r}: ...}}, or set delimiter"
    )


def _check_id(ids: dict[str, str], row: Row, column: str, key: str) -> None:
    value = first(row, column)
    if value is None or value == "":
        raise BadExample(key, column, "the id is empty")
    if repr(value) in ids:
        raise BadExample(key, column, f"the id {value!r} is already that of {ids[repr(value)]}")
    ids[repr(value)] = key


def _group(entries: list[Entry]) -> tuple[list[Entry], int]:
    """Joins entries of the same files into the first of them, with all their captions."""
    grouped: dict[Any, Entry] = {}
    # By entry, modality and language: an ordered set of captions.
    captions: dict[tuple[Any, str, str], dict[str, None]] = {}
    for entry in entries:
        # Only for the comparison: beyond a link, a/../b may be another file than b.
        files = tuple((m, os.path.normpath(path)) for m, path in entry.files.items())
        identity = entry.id if entry.values or not files else files
        grouped.setdefault(identity, entry)
        for modality, texts in entry.texts.items():
            for language, own in texts.items():
                found = captions.setdefault((identity, modality, language), {})
                found.update(dict.fromkeys(own))
    for (identity, modality, language), ordered in captions.items():
        grouped[identity].texts.setdefault(modality, {})[language] = list(ordered)
    return list(grouped.values()), len(entries) - len(grouped)

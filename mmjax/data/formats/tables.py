"""CSV, TSV, JSON-lines and Parquet files as rows that are either cells or a reason why not.

Spreadsheets and scripts write these files in many ways: with a byte-order mark, any line ending,
quoted line breaks, several columns of one name. All of these are read; what is ambiguous is
refused for that row with a reason, because a guess would change a caption unseen.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mmjax.data.formats.parquet import read_parquet
from mmjax.data.records import SourceError

Format = Literal["auto", "csv", "tsv", "jsonl", "parquet"]
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


class Row(NamedTuple):
    """A row: its number as a spreadsheet shows it (a header is row 1), and cells or a problem.

    Rows of JSON lines and Parquet, which have no header, count from 1.
    """

    number: int
    cells: dict[str, list[Any]]  # column -> its values, several where it repeats or is a list
    problem: str | None = None


class Table(NamedTuple):
    columns: list[str]
    rows: list[Row]


def read_table(
    path: Path,
    *,
    format: Format = "auto",
    delimiter: str | None = None,
    quotes: bool = True,
    encoding: str = "utf-8",
    check: bool = True,
) -> Table:
    """Reads a whole table.

    Args:
      path: the file; with `format='auto'` its suffix tells .csv, .tsv, .jsonl or .parquet.
      delimiter: what separates cells; None is a comma in CSV and a tab in TSV.
      quotes: whether " quotes a cell; False takes it for an ordinary character.
      encoding: of the text; a byte-order mark wins.
      check: of Parquet, see `read_parquet`.

    Raises:
      SourceError: for a file that is no table at all. A row that cannot be read is no error here:
        it has a `problem`.
    """
    kind = _SUFFIXES.get(path.suffix.lower()) if format == "auto" else format
    if kind is None:
        raise SourceError(
            f"{path}: the suffix {path.suffix!r} does not tell the format; set "
            "format='csv', 'tsv', 'jsonl' or 'parquet'"
        )
    if kind == "parquet":
        columns, cells = read_parquet(path, check=check)
        return Table(columns, [_parquet_row(i, row) for i, row in enumerate(cells, start=1)])
    text = _text(path, encoding)
    if kind == "jsonl":
        return _read_jsonl(text)
    return _read_csv(path, text, delimiter or ("\t" if kind == "tsv" else ","), quotes)


def _text(path: Path, encoding: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    for mark, marked in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            encoding = marked
    try:
        # Bytes that are no text survive as lone surrogates, so that only their rows are bad.
        return raw.decode(encoding, "surrogateescape")
    except LookupError as error:
        raise SourceError(f"{path}: there is no encoding {encoding!r}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not {encoding} text: {error}") from error


def _parquet_row(number: int, cells: dict[str, list[Any]]) -> Row:
    broken = [
        column
        for column, values in cells.items()
        if any(isinstance(value, str) and _undecoded(value) for value in values)
    ]
    problem = f"the column {broken[0]!r} is not valid text" if broken else None
    return Row(number, {} if broken else cells, problem)


def _undecoded(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _read_csv(path: Path, text: str, delimiter: str, quotes: bool) -> Table:
    # The limit of the csv module is global; raising it to what this file can need is harmless.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        strict=True,  # a stray quote is an error, and not a caption that lost its quote
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    )
    columns: list[str] = []
    rows: list[Row] = []
    number = 0
    while True:
        number += 1
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if "unexpected end" in str(error):
                # Everything after the quote was swallowed: no way to tell how many rows.
                raise SourceError(
                    f"{path}: a quote in line {line} is never closed; close it, or set "
                    "quotes=False if quotes are ordinary characters in this file"
                ) from error
            problem = (
                f"the quotes in line {line} do not match ({error}); a quote inside a quoted cell "
                "is written twice"
            )
            if not columns:
                raise SourceError(f"{path}: in the header, {problem}") from error
            rows.append(Row(number, {}, problem))
            continue
        if not cells:  # a blank line, which a spreadsheet numbers too
            continue
        if not columns:
            columns = [cell.strip() for cell in cells]
            continue
        rows.append(_csv_row(number, columns, cells))
    if not columns:
        raise SourceError(f"{path} is empty; it needs a header and rows")
    return Table(columns, rows)


def _csv_row(number: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        hint = "; a comma inside a cell needs quotes" if len(cells) > len(columns) else ""
        problem = f"it has {len(cells)} cells where the header has {len(columns)}{hint}"
        return Row(number, {}, problem)
    values: dict[str, list[Any]] = {}
    for column, cell in zip(columns, cells, strict=True):
        if _undecoded(cell):
            problem = f"the column {column!r} is not valid text in this encoding"
            return Row(number, {}, problem)
        values.setdefault(column, []).append(cell)
    return Row(number, values)


def _read_jsonl(text: str) -> Table:
    columns: dict[str, None] = {}
    rows: list[Row] = []
    # Not splitlines: it also splits at characters that may stand inside a JSON string.
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            rows.append(Row(number, {}, f"it is not JSON ({error or 'nested too deeply'})"))
            continue
        if not isinstance(value, dict):
            rows.append(Row(number, {}, f"it is a JSON {type(value).__name__}, not an object"))
            continue
        columns.update(dict.fromkeys(value))
        cells = {k: v if isinstance(v, list) else [v] for k, v in value.items()}
        broken = [
            column
            for column, values in cells.items()
            if any(isinstance(value, str) and _undecoded(value) for value in values)
        ]
        problem = f"the field {broken[0]!r} is not valid text" if broken else None
        rows.append(Row(number, {} if broken else cells, problem))
    return Table(list(columns), rows)

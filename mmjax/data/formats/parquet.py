"""Parquet tables: text and numbers in memory, images and arrays read when they are needed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmjax import extras
from mmjax.data.records import SourceError

_GROUPS_KEPT = 8  # columns of row groups in memory; a shuffled order jumps among all of them


class Stored(NamedTuple):
    """A value that stays in its file until it is asked for."""

    path: str
    group: int
    column: str  # path of the leaf, `image.bytes` of a struct `image`
    row: int  # within the group

    def read(self) -> Any:
        """Bytes, or an array.

        Raises:
          ValueError: with the reason why it cannot be read.
        """
        column = _column(self.path, self.group, self.column)
        if self.row >= len(column):
            raise ValueError(f"the file {self.path} is damaged: {self.column!r} ends before it")
        return _value(column[self.row])


def read_parquet(path: Path, *, check: bool = True) -> tuple[list[str], list[dict[str, list[Any]]]]:
    """Columns, and for each row its cells, column -> values; a null is no value.

    Bytes, structs that hold `bytes` (as Hugging Face's `datasets` writes images) and lists of
    numbers are `Stored`; a list of texts is several values.

    Args:
      path: the file.
      check: read what is `Stored` once, to know which values are null; False takes all for there,
        and a null one is found when it is needed.

    Raises:
      SourceError: for a file that is no Parquet, or is damaged.
      MissingExtra: without pyarrow.
    """
    pyarrow, parquet = _library(str(path))
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        schema = file.schema_arrow
        stored = {field.name: leaf for field in schema if (leaf := _leaf(pyarrow, field))}
        plain = [field.name for field in schema if field.name not in stored]
        rows: list[dict[str, list[Any]]] = []
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            columns = file.read_row_group(group, columns=plain).to_pydict() if plain else {}
            there = {name: [True] * count for name in stored}
            if check:
                # What the footer says of nulls would be faster, but a damaged footer makes Arrow
                # end the program where it is asked for it.
                there = {
                    name: _column(str(path), group, leaf).is_valid().to_pylist()
                    for name, leaf in stored.items()
                }
            found = {len(column) for column in (*columns.values(), *there.values())}
            if found - {count}:
                raise ValueError(f"row group {group} should have {count} rows and has {found}")
            for i in range(count):
                cells = {name: _cells(columns[name][i]) for name in plain}
                for name, leaf in stored.items():
                    cells[name] = [Stored(str(path), group, leaf, i)] if there[name][i] else []
                rows.append(cells)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise SourceError(f"{path} is no Parquet file that can be read ({reason:.200})") from error
    return list(schema.names), rows


def _library(path: str) -> tuple[Any, Any]:
    instead = "or write the table as .csv or .jsonl"
    extras.find("pyarrow", "parquet", f"the table {path}", instead)
    import pyarrow  # an extra
    import pyarrow.parquet

    return pyarrow, pyarrow.parquet


def _leaf(pyarrow: Any, field: Any) -> str | None:
    """The leaf to read of a column that is left in the file; None for one that is not."""
    kinds = pyarrow.types
    if kinds.is_struct(field.type):
        names = [field.type.field(i).name for i in range(field.type.num_fields)]
        return f"{field.name}.bytes" if "bytes" in names else None
    if kinds.is_binary(field.type) or kinds.is_large_binary(field.type):
        return str(field.name)
    inner, depth = field.type, 0
    while kinds.is_list(inner) or kinds.is_large_list(inner) or kinds.is_fixed_size_list(inner):
        inner, depth = inner.value_type, depth + 1
    numeric = kinds.is_integer(inner) or kinds.is_floating(inner) or kinds.is_boolean(inner)
    return field.name if depth and numeric else None


def _cells(value: Any) -> list[Any]:
    if value is None:
        return []
    return [each for each in value if each is not None] if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=_GROUPS_KEPT)
def _column(path: str, group: int, leaf: str) -> Any:
    """One column of one row group."""
    pyarrow, parquet = _library(path)
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        column = file.read_row_group(group, columns=[leaf]).column(0).combine_chunks()
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the file {path} cannot be read: {reason:.200}") from error
    return column.field("bytes") if leaf.endswith(".bytes") else column


def _value(scalar: Any) -> Any:
    if not scalar.is_valid:
        raise ValueError("it is null")
    if not hasattr(scalar, "values"):
        return scalar.as_py()
    import pyarrow.compute  # an extra

    values, shape = scalar.values, [len(scalar.values)]
    while hasattr(values.type, "value_type"):
        lengths = set(pyarrow.compute.list_value_length(values).to_pylist())
        if len(lengths) > 1 or None in lengths:
            raise ValueError("its lists are not all of one length")
        shape.append(lengths.pop() if lengths else 0)
        values = values.flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)

"""Windows of the columns of a table of series, for forecasting."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.formats.files import existing
from mmjax.data.formats.series import FIELDS, window
from mmjax.data.formats.tables import Table, read_table
from mmjax.data.records import Record, Source, SourceError
from mmjax.schema.bounds import Bounds, Count, CountOrZero


class SeriesSource(Source):
    """A CSV, TSV, JSON-lines or Parquet file, a row a time and a column a series, in windows.

    One record is a window of one column: `series` f32[past, 1], `text` with its statistics, and the
    labels `future` f32[future], `last`, `spread` and `channel`, as `mmjax.data.formats.series` has
    them. Each column is first brought to mean 0 and standard deviation 1 over the rows of 'train',
    so that `spread` is in the units in which errors on ETT, Weather and Exchange are told (Zhou et
    al. 2021, Informer, arXiv 2012.07436).

    Args:
      path: the file.
      columns: the series; None takes all columns but the first, which holds the time.
      past, future: lengths of both, in rows.
      stride: rows from one window to the next.
      split: 'train', 'val' or 'test', one after the other in time, or 'all'. The future of a window
        is within its split, and the past of the first ones reaches into the split before.
      ends: rows at which 'train', 'val' and 'test' end; 70%, 80% and all rows where None. ETT's are
        (8640, 11520, 14400) by the hour and four times as many by the quarter of an hour.
      decimals: of the numbers in the text.

    Raises:
      SourceError: for a file or column that is missing, a cell that is no number, and a split in
        which no window fits.
    """

    modalities = ("series", "text")
    label_fields = (*FIELDS, "channel")

    def __init__(
        self,
        *,
        path: str,
        columns: tuple[str, ...] | None = None,
        past: Annotated[int, Bounds(ge=10, le=2**24)] = 512,
        future: Count = 96,
        stride: Count = 1,
        split: Literal["train", "val", "test", "all"] = "train",
        ends: tuple[Count, Count, Count] | None = None,
        decimals: CountOrZero = 3,
    ):
        self.path, self.past, self.decimals, self.split = Path(path), past, decimals, split
        self.size, self.stride = past + future, stride
        table = read_table(existing(path, "table of series"))
        self.columns = tuple(table.columns[1:] if columns is None else columns)
        values = self._values(table)
        rows = len(values)
        stops = (int(0.7 * rows), int(0.8 * rows), rows) if ends is None else ends
        if not 0 < stops[0] <= stops[1] <= stops[2] <= rows:
            raise SourceError(f"{path}: ends={stops} should rise, and the table has {rows:,} rows")
        known = values[: stops[0]]
        self._series = (values - known.mean(0)) / np.maximum(known.std(0), 1e-8)
        bounds = {"train": (0, stops[0]), "val": stops[:2], "test": stops[1:], "all": (0, rows)}
        first, last = bounds[split]
        self._first = max(first - past, 0)
        self._windows = 1 + (last - self._first - self.size) // stride
        if self._windows < 1:
            raise SourceError(
                f"{path}: no window of past={past} and future={future} fits into {split!r}, rows "
                f"{first:,} to {last:,}; set 'ends', or shorter ones"
            )
        self.id_limit = len(self)

    def _values(self, table: Table) -> np.ndarray:
        """f64[rows, columns] of the file."""
        missing = [name for name in self.columns if name not in table.columns]
        if missing or not self.columns:
            raise SourceError(
                f"{self.path} has no column {(missing or ['of numbers'])[0]!r}, only "
                f"{', '.join(map(repr, table.columns))}"
            )
        rows = []
        for row in table.rows:
            if row.problem is not None:
                raise SourceError(f"{self.path}, row {row.number}: {row.problem}")
            rows.append([self._number(row.cells.get(name), name, row.number)
                         for name in self.columns])  # fmt: skip
        if not rows:
            raise SourceError(f"{self.path} holds no rows")
        return np.array(rows)

    def _number(self, cell: Any, column: str, row: int) -> float:
        values = cell or [""]
        try:
            number = float(values[0])
        except (TypeError, ValueError):
            number = math.nan
        if len(values) != 1 or not math.isfinite(number):
            raise SourceError(
                f"{self.path}, row {row}: {column!r} is {values[0]!r:.40}, which is no number; "
                "name other 'columns', or fill it in"
            )
        return number

    def __len__(self) -> int:
        return self._windows * len(self.columns)

    def __getitem__(self, index: int) -> Record:
        place, column = divmod(index, len(self.columns))
        start = self._first + place * self.stride
        name = self.columns[column]
        key = f"{self.path.name} {name} from row {start}"
        values = self._series[start : start + self.size, column]
        own = window(values, self.past, self.decimals)
        return {"id": index, "key": key, "channel": name, **own}

    def describe(self) -> str:
        return (
            f"{self.path}, {self.split}: {len(self):,} windows of {self.size} rows of "
            f"{len(self.columns)} series"
        )

"""Rows of a table: measurements with gaps, such as lab values, and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.data.formats.numbers import numbers
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import BelowOne, Factor, Moderate, NonNegative

_BLANK = ("", "na", "nan", "n/a", "null", "none", "-", "?")


class TableView(View):
    """Cells of a row as f32[N], NaN where one is missing, for `MLP(missing=True)`.

    The value is {column: cell}, numbers in the order of `columns`, or the bytes of a `.npy` file of
    them. A cell is a number or its text; None, NaN, blank text and words such as "NA" are missing.

    Args:
      columns: names of the columns with numbers, in their order.
      categories: {column: its values}: one number for each value, 1 where the cell has it; a cell
        without a value gives NaN for all of them.
      mean, std: of every column with numbers, by which it is scaled; () leaves it as it is.
      log: columns of which log(1 + x) is taken first; below 0 they are refused.
      clip: scaled numbers are cut to [-clip, clip]; 0 for none. A typing error of a lab (a pH of
        740) then is a large value and not one that drowns all others.
      drop: in training, the share of numbers that are made missing.

    Attributes:
      shape: (N,), numbers first, then the values of the categories.
      dtype: float32.
    """

    def __init__(
        self,
        *,
        columns: tuple[str, ...],
        categories: dict[str, tuple[str | float | bool, ...]] | None = None,
        mean: tuple[Moderate, ...] = (),
        std: tuple[Factor, ...] = (),
        log: tuple[str, ...] = (),
        clip: NonNegative = 0.0,
        drop: BelowOne = 0.0,
    ):
        self.columns = tuple(columns)
        self.categories = {name: tuple(values) for name, values in (categories or {}).items()}
        names = [*self.columns, *self.categories]
        if not names or len(set(names)) != len(names):
            raise ValueError("table view: name every column once, at least one")
        for name, values in self.categories.items():
            if not values or len(set(values)) != len(values):
                raise ValueError(f"table view: the values of {name!r} have to be named, once each")
        for what, given in (("mean", mean), ("std", std)):
            if given and len(given) != len(self.columns):
                raise ValueError(
                    f"table view: {what} has {len(given)} numbers for {len(self.columns)} columns"
                )
        if not set(log) <= set(self.columns):
            raise ValueError(f"table view: log={log} names no column with numbers")
        count = len(self.columns)
        self.mean = np.array(mean or [0.0] * count, np.float64)
        self.std = np.array(std or [1.0] * count, np.float64)
        self.log = np.array([name in log for name in self.columns], bool)
        self.clip, self.drop = clip, drop
        self.shape = (count + sum(map(len, self.categories.values())),)
        self.dtype = np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        cells, kinds = self._cells(value, rng, train)
        x = np.array([_number(n, c) for n, c in zip(self.columns, cells, strict=True)], np.float64)
        low = self.log & (x < 0)
        if low.any():
            raise unusable(
                f"{self.columns[int(np.argmax(low))]!r} is below 0 and log was asked for"
            )
        x[self.log] = np.log1p(x[self.log])
        x = (x - self.mean) / self.std
        if self.clip:
            x = np.clip(x, -self.clip, self.clip)
        parts = [x, *(self._one_hot(n, kinds[n]) for n in self.categories)]
        with np.errstate(over="ignore"):
            x = np.concatenate(parts).astype(np.float32)
        if np.isinf(x).any():
            raise unusable("a number is too large for 32 bits")
        if train and self.drop:
            x[required(rng).random(x.shape) < self.drop] = np.nan
        return x

    def _cells(self, value: Any, rng: Any, train: bool) -> tuple[Sequence[Any], Mapping[str, Any]]:
        cells = isinstance(value, list | tuple) and not (
            value and isinstance(value[0], Mapping | bytes)
        )
        if not cells:
            value = pick(value, rng, train)
        if isinstance(value, Mapping):
            unknown = [n for n in (*self.columns, *self.categories) if n not in value]
            if unknown:
                raise unusable(f"the row has no column {unknown[0]!r}; leave its cell blank")
            return [value[n] for n in self.columns], {n: value[n] for n in self.categories}
        if self.categories:
            raise unusable("a row with categories should be {column: cell}")
        if isinstance(value, bytes):
            value = numbers(value)
        if not isinstance(value, list | tuple | np.ndarray) or np.ndim(value) != 1:
            raise unusable(f"a row should be {{column: cell}} or numbers, not {value!r:.60}")
        if len(value) != len(self.columns):
            raise unusable(f"the row has {len(value)} cells for {len(self.columns)} columns")
        return list(value), {}

    def _one_hot(self, name: str, cell: Any) -> np.ndarray:
        values = self.categories[name]
        if _missing(cell):
            return np.full(len(values), np.nan)
        if cell not in values:
            raise unusable(
                f"{name!r} is {cell!r:.40}, which is none of {', '.join(map(str, values))}"
            )
        return np.array([cell == value for value in values], np.float64)


def _missing(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _BLANK
    return cell is None or (isinstance(cell, float | np.floating) and np.isnan(cell))


def _number(name: str, cell: Any) -> float:
    if _missing(cell):
        return float("nan")
    try:
        if isinstance(cell, bool):
            raise TypeError("a truth value")
        number = float(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise unusable(f"{name!r} is {cell!r:.40}, which is no number") from error
    if not np.isfinite(number):
        raise unusable(f"{name!r} is {cell!r:.40}; leave it blank where it is not known")
    return number

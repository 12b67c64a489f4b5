"""Arrays of one length, row by row: a .npz file, or a folder of .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmjax.data.formats.files import existing, refuse_pointer
from mmjax.data.records import Record, Source, SourceError
from mmjax.data.splits import Split, choose
from mmjax.files import DamagedFile, read_arrays
from mmjax.schema.bounds import BelowOne


class ArraysSource(Source):
    """A .npz file or a folder of .npy files; row i of every array is example i.

    An array of texts is captions, every other one numbers. A .npz is read into memory; files of a
    folder are mapped into it, so that they may be larger. An array `<modality>_present`, bool[N],
    says which examples have the modality.

    Args:
      path: the file or folder.
      columns: {modality: array}; by default all of them under their own names.
      labels: {label: array} of arrays to carry along as text.
      id_array: an array of one value a row, which must not repeat and decides the split; None
        takes the row's number.
      split: 'train', 'val' or 'all', by a hash of the id.
      val_fraction: the share of examples in 'val'.

    Raises:
      SourceError: for files that are missing or damaged, arrays that are missing, of objects or of
        different lengths, and ids that repeat.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        id_array: str | None = None,
        split: Split = "all",
        val_fraction: BelowOne = 0.1,
    ):
        self.path = existing(path, ".npz file or folder of .npy files")
        self._columns, self._labels = columns, dict(labels or {})
        self._open()
        self.id_limit = len(next(iter(self._values.values())))
        names = self._ids(id_array)
        kept = choose(str(path), range(self.id_limit), lambda i: names[i], split, val_fraction)
        self._rows = np.asarray(kept)
        self.may_lack = tuple(
            m for m, present in self._present.items() if not present[self._rows].all()
        )

    def _open(self) -> None:
        found = _read(self.path)
        known = ", ".join(f"{n} {list(a.shape)}" for n, a in found.items())
        columns = self._columns
        if columns is None:
            columns = {
                n: n
                for n in found
                if n not in self._labels.values()
                and n.removesuffix("_present") not in found.keys() - {n}
            }
        for what, name in (*columns.items(), *self._labels.items()):
            if name not in found:
                raise SourceError(
                    f"{self.path} has no array {name!r} for {what!r}; it has {known or 'none'}"
                )
        self._values = {m: found[n] for m, n in columns.items()}
        self._label_values = {label: found[n] for label, n in self._labels.items()}
        self._present = {
            m: found[f"{n}_present"] for m, n in columns.items() if f"{n}_present" in found
        }
        self._found = found
        if not self._values:
            raise SourceError(f"{self.path} holds no arrays")
        used = {**self._values, **self._label_values, **self._present}
        sizes = {n: len(a) if a.ndim else "none" for n, a in used.items()}
        if len(set(sizes.values())) != 1 or not all(isinstance(n, int) for n in sizes.values()):
            raise SourceError(f"{self.path}: the arrays differ in length: {sizes}")
        if not len(next(iter(used.values()))):
            raise SourceError(f"{self.path} holds no examples")
        for modality, present in self._present.items():
            if present.dtype != bool or present.ndim != 1:
                raise SourceError(f"{self.path}: {modality}_present should be bool[N]")
        for name, array in used.items():
            if array.dtype.kind not in "iufbU":
                raise SourceError(
                    f"{self.path}: {name!r} is of type {array.dtype}, neither numbers nor text"
                )
        self.modalities, self.label_fields = tuple(self._values), tuple(self._label_values)

    def _ids(self, id_array: str | None) -> list[str]:
        """What names each example."""
        if id_array is None:
            return [str(i) for i in range(self.id_limit)]
        if id_array not in self._found or self._found[id_array].shape != (self.id_limit,):
            raise SourceError(f"{self.path}: id_array={id_array!r} is no array of one id a row")
        names = [str(value) for value in self._found[id_array]]
        first: dict[str, int] = {}
        for row, name in enumerate(names):
            if first.setdefault(name, row) != row:
                raise SourceError(
                    f"{self.path}: the id {name!r} of row {row} is already that of row "
                    f"{first[name]}"
                )
        return names

    def __getstate__(self) -> dict[str, Any]:
        own = ("_values", "_label_values", "_present", "_found")
        return {key: value for key, value in self.__dict__.items() if key not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        return int(self._rows[index])

    def __getitem__(self, index: int) -> Record:
        row = int(self._rows[index])
        record: Record = {"id": row, "key": f"{self.path.name} row {row}"}
        for modality, values in self._values.items():
            if modality not in self._present or self._present[modality][row]:
                value = values[row]
                record[modality] = str(value) if values.dtype.kind == "U" else np.array(value)
        for label, values in self._label_values.items():
            record[label] = str(values[row])
        return record

    def describe(self) -> str:
        shapes = ", ".join(f"{m} {list(a.shape[1:])}" for m, a in self._values.items())
        return f"{self.path}: {len(self):,} examples of {shapes}"


def _read(path: Path) -> dict[str, np.ndarray]:
    file = path
    try:
        if path.is_dir():
            found = {}
            for file in sorted(path.glob("*.npy")):
                refuse_pointer(file)
                found[file.stem] = np.load(file, mmap_mode="r", allow_pickle=False)
            return found
        if path.suffix == ".npy":
            raise SourceError(f"{path} is one .npy file; give the folder that it lies in")
        return read_arrays(path)
    except (DamagedFile, SourceError) as error:
        raise SourceError(str(error)) from error
    except Exception as error:  # damaged headers make numpy and zipfile raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{file} cannot be read as arrays ({reason:.200})") from error

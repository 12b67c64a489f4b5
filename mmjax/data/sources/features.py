"""Features computed once by frozen models: what `python -m mmjax.embed --out=....npz` wrote."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from mmjax.data.formats.files import existing, parts_of
from mmjax.data.records import Record, Source, SourceError
from mmjax.files import DamagedFile, read_arrays

# Name -> folder in mmjax/data/assets, of files <modality>-<split>.npz.
EMBEDDED = {"emoji_pretrained": "emoji_pretrained"}


class FeaturesSource(Source):
    """Vectors of records by modality, from one file a modality.

    Records are those that the first modality has; a record without vectors of another one lacks
    that modality. Several vectors of a record are alternatives.

    Args:
      files: {modality: file.npz}, with the arrays `embedding`, `id`, `key` and further ones,
        labels, or a pattern with `*` of the parts of one, `file-*.npz`; or
        {modality: 'emoji_pretrained:SPLIT'}, of those in the package.
      raw: modalities for which the file's array `text` is taken in place of the vectors, to train
        a text tower beside a frozen one.
      labels: file.npz with the array `id` and further ones, which are labels of the records with
        these ids; or 'emoji_pretrained', the `group` and `subgroup` of the emoji in the package.
      named: {modality: label}: further modalities, of which the text of a record is its label, as
        to train on the names of classes.

    Raises:
      SourceError: for files that are missing, damaged, of no such arrays, or without a record in
        common; for a record that `labels` does not have; and for `named` of no such label, or for
        a modality that has a file.
    """

    def __init__(
        self,
        *,
        files: dict[str, str],
        raw: tuple[str, ...] = (),
        labels: str | None = None,
        named: dict[str, str] | None = None,
    ):
        if not files:
            raise SourceError("features: 'files' names no file: {modality: file.npz}")
        tables = {m: _read(m, str(path)) for m, path in files.items()}
        self.modalities = tuple(tables)
        first = tables[self.modalities[0]]
        for modality in raw:
            if "text" not in tables.get(modality, ()):
                raise SourceError(f"features: raw={modality!r} has no file with an array 'text'")
        self._values = {
            m: _by_id(t, "text" if m in raw else "embedding") for m, t in tables.items()
        }
        ids, where = np.unique(first["id"], return_index=True)
        self._ids = ids[np.argsort(where)]  # in the order of the file
        self.may_lack = tuple(
            m for m, rows in self._values.items() if any(int(i) not in rows for i in self._ids)
        )
        for modality, rows in self._values.items():
            if not any(int(i) in rows for i in self._ids):
                raise SourceError(
                    f"features: {files[modality]} and {files[self.modalities[0]]} have no record "
                    "in common: were they made of the same --data?"
                )
        others = {"modality", "alternative", "embedding", "id", "text"}
        self._columns = {n: a[np.sort(where)] for n, a in first.items() if n not in others}
        if labels is not None:
            self._columns |= _labels(labels, self._ids)
        self.label_fields = tuple(n for n in self._columns if n != "key")
        self._named = dict(named or {})
        for modality, label in self._named.items():
            if modality in files:
                raise SourceError(f"features: named={modality!r} has a file of its own, too")
            if label not in self.label_fields:
                raise SourceError(
                    f"features: named[{modality!r}] is {label!r}, which is no label of these "
                    f"files; labels are: {', '.join(self.label_fields) or 'none'}"
                )
        self.modalities = (*self.modalities, *self._named)
        self.id_limit = int(max(t["id"].max() for t in tables.values())) + 1
        self._files = dict(files)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Record:
        number = int(self._ids[index])
        record: Record = {"id": number, **{n: str(a[index]) for n, a in self._columns.items()}}
        for modality, rows in self._values.items():
            if number in rows:
                record[modality] = list(rows[number])
        record |= {modality: [record[label]] for modality, label in self._named.items()}
        return record

    def describe(self) -> str:
        return f"features: {len(self):,} records of {', '.join(map(str, self._files.values()))}"


def _embedded(name: str, file: str) -> Any:
    return resources.files("mmjax.data") / "assets" / EMBEDDED[name] / file


def _arrays(file: Any) -> dict[str, np.ndarray]:
    try:
        return read_arrays(file)
    except DamagedFile as error:
        raise SourceError(f"features: {error}") from error


def _labels(path: str, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Labels [N] of the records with these ids, by their names."""
    embedded = path in EMBEDDED
    found = _arrays(_embedded(path, "labels.npz") if embedded else existing(path, "file of labels"))
    known = found.pop("id", None)
    if known is None or known.ndim != 1 or any(len(a) != len(known) for a in found.values()):
        raise SourceError(
            f"features: {path} should hold an array 'id' and labels of the same length"
        )
    place = {int(number): row for row, number in enumerate(known)}
    lacking = [number for number in map(int, ids) if number not in place]
    if lacking:
        raise SourceError(f"features: {path} has no labels of the record with the id {lacking[0]}")
    rows = [place[int(number)] for number in ids]
    return {name: labels[rows] for name, labels in found.items()}


def _read(modality: str, path: str) -> dict[str, np.ndarray]:
    """The arrays of a file, or of all parts that a pattern finds."""
    tables = [_read_one(modality, file) for file in parts_of(path, "features")]
    if len({frozenset(table) for table in tables}) > 1:
        raise SourceError(f"features: the files of {path!r} do not have the same arrays")
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _read_one(modality: str, path: str) -> dict[str, np.ndarray]:
    name, _, split = path.partition(":")
    if name in EMBEDDED and split:
        kind = modality.partition("@")[0]
        file = _embedded(name, f"{kind}-{split}.npz")
        if not file.is_file():
            raise SourceError(f"features: {name} has no {kind}-{split}")
    else:
        file = existing(path, "file of features")
    found = _arrays(file)
    lacking = [n for n in ("embedding", "id", "key") if n not in found]
    if lacking:
        raise SourceError(f"features: {path} has no array {' and no '.join(lacking)}")
    if "modality" in found:  # a file of several modalities
        kept = found["modality"] == modality
        if not kept.any():
            raise SourceError(f"features: {path} has no {modality!r}")
        found = {n: a[kept] for n, a in found.items()}
    sizes = {n: len(a) for n, a in found.items()}
    if len(set(sizes.values())) != 1 or found["embedding"].ndim != 2 or not sizes["id"]:
        raise SourceError(f"features: the arrays of {path} do not fit each other: {sizes}")
    if found["id"].dtype.kind not in "iu" or found["embedding"].dtype.kind != "f":
        raise SourceError(f"features: {path}: 'id' should be whole numbers, 'embedding' floats")
    return found


def _by_id(table: dict[str, np.ndarray], column: str) -> dict[int, list[Any]]:
    rows: dict[int, list[Any]] = {}
    for number, value in zip(table["id"], table[column], strict=True):
        rows.setdefault(int(number), []).append(str(value) if column == "text" else value)
    return rows

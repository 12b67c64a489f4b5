"""Image-text sets of TensorFlow Datasets, prepared as ArrayRecord; without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmjax.data.formats.files import refuse_pointer
from mmjax.data.records import BadExample, Record, Source, SourceError


class TfdsSource(Source):
    """A prepared TFDS set, read through `tfds.data_source`.

    The set must lie on disk in the ArrayRecord format, the one of random access. Preparing is not
    done here, since it may download: `tfds build <name> --file_format=array_record` does it.

    Args:
      name: of the set, with config and version if wanted: `coco_captions`, `my_set/config:1.0.0`.
      columns: {modality: feature}, `/` going down: {'image': 'image', 'text': 'captions/text'}. A
        sequence of texts gives alternatives. Images stay encoded until a view needs them.
      labels: {label: feature} to carry along; class labels become their names.
      split: as in TFDS, 'train', 'validation', 'train[:10%]'.
      data_dir: where the set was prepared; None is the default of TFDS.

    Raises:
      SourceError: if the set is not prepared, has another format, or lacks a feature or split.
    """

    def __init__(
        self,
        *,
        name: str,
        columns: dict[str, str],
        labels: dict[str, str] | None = None,
        split: str = "train",
        data_dir: str | None = None,
    ):
        self.name, self.split, self.data_dir = name, split, data_dir
        self.columns, self._labels = dict(columns), dict(labels or {})
        self.label_fields = tuple(self._labels)
        self.modalities = tuple(self.columns)
        self._open()
        self.id_limit = len(self._data)

    def _open(self) -> None:
        # Imported late: it takes half a second, which only users of this source should pay.
        import tensorflow_datasets as tfds

        where = self.data_dir or "the default folder of TFDS"
        advice = f"prepare it with `tfds build {self.name} --file_format=array_record`"
        if self.data_dir:
            advice += f" --data_dir={self.data_dir}"
        folder = Path(self.data_dir or tfds.core.constants.DATA_DIR).expanduser()
        for file in sorted((folder / self.name.partition(":")[0]).rglob("*")):
            refuse_pointer(file)
        try:
            # By the files alone: the code that made a known set may want TensorFlow.
            builder = tfds.core.read_only_builder.builder_from_files(
                self.name, data_dir=self.data_dir
            )
        except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
            raise SourceError(
                f"the TFDS set {self.name!r} is not prepared in {where}; {advice}"
            ) from error
        kind = builder.info.file_format.value if builder.info.file_format else "unknown"
        if kind != "array_record":
            raise SourceError(
                f"the TFDS set {self.name!r} in {where} has the format {kind}, which cannot be "
                f"read at random positions; {advice}"
            )
        for path in (*self.columns.values(), *self._labels.values()):
            _feature(builder.info.features, path, self.name)
        skip = {
            path: tfds.decode.SkipDecoding()
            for path in self.columns.values()
            if isinstance(_feature(builder.info.features, path, self.name), tfds.features.Image)
        }
        try:
            self._data = builder.as_data_source(split=self.split, decoders=_nested(skip) or None)
        except (ValueError, KeyError) as error:
            known = ", ".join(builder.info.splits)
            raise SourceError(
                f"the TFDS set {self.name!r} has no split {self.split!r}; it has {known}"
            ) from error
        self._names = {
            label: _feature(builder.info.features, path, self.name)
            for label, path in self._labels.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_data", "_names")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Record:
        key = f"{self.name} {self.split} example {index}"
        if not 0 <= index < len(self):
            raise IndexError(index)
        try:
            example = self._data[index]
        except Exception as error:  # whatever a damaged file makes of the reader and the parser
            reason = f"it cannot be read: {type(error).__name__}: {error}"
            raise BadExample(key, "record", reason) from error
        record: Record = {"id": index, "key": key}
        for modality, path in self.columns.items():
            value = _plain(_follow(example, path))
            if modality.startswith("text") and isinstance(value, bytes | list):
                value = _decode(value, key, modality)
            record[modality] = value
        for label, path in self._labels.items():
            value = _plain(_follow(example, path))
            feature = self._names[label]
            name = feature.int2str(int(value)) if hasattr(feature, "int2str") else value
            record[label] = name.decode() if isinstance(name, bytes) else str(name)
        return record

    def describe(self) -> str:
        return f"TFDS {self.name}, {self.split}: {len(self):,} examples"


def _feature(features: Any, path: str, name: str) -> Any:
    """The feature connector at a path such as `captions/text`."""
    found = features
    for part in path.split("/"):
        found = getattr(found, "feature", found)  # a Sequence holds one
        try:
            found = found[part]
        except (KeyError, TypeError) as error:
            raise SourceError(
                f"the TFDS set {name!r} has no feature {path!r}; it has {', '.join(features)}"
            ) from error
    return found


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split("/")
        place = tree
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return tree


def _follow(example: Any, path: str) -> Any:
    for part in path.split("/"):
        example = example[part]
    return example


def _plain(value: Any) -> Any:
    """Object arrays and ragged lists of TFDS as plain lists, 0-d arrays as their value."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return value.item() if value.ndim == 0 else list(value)
    if isinstance(value, tuple):
        return list(value)
    return value


def _decode(value: Any, key: str, field: str) -> Any:
    if isinstance(value, list):
        return [_decode(item, key, field) for item in value]
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise BadExample(key, field, f"it is not UTF-8 text ({error})") from error

"""Reads folders of foreign weights safely: safetensors and JSON only, no pickles.

A safetensors file is 8 bytes that say how long its JSON header is, the header (name -> dtype, shape
and offsets) and the numbers (https://github.com/huggingface/safetensors, "Format"). It is read
here through a memory map, so that a tensor costs memory only while it is used, and every length is
checked before any number is touched.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from mmjax import digests, places
from mmjax.errors import ConfigError, UserError
from mmjax.files import DamagedFile, json_object, pointer_at, read_json, replacing

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
# Tried in this order where a folder is given and not a file: one with both is of open_clip, and the
# other is the same model in Hugging Face's layout.
WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
_LONGEST_HEADER = 100_000_000


class WeightsError(ConfigError):
    """Weights that cannot be read, or that do not fit; the message names the file and the keys."""


class Folder:
    """A folder of one model: JSON files and one set of tensors.

    Args:
      path: the folder, or one safetensors file in it.

    Raises:
      WeightsError: when there is no such folder or file, or it is a pickle.
    """

    def __init__(self, path: str | Path):
        given = Path(path).expanduser()
        self._file: str | None = None
        self._verified: set[str] = set()
        if given.suffix.lower() in PICKLES:
            raise WeightsError(_refused(given))
        if given.is_file():
            if given.suffix != ".safetensors":
                raise WeightsError(f"{given} is no .safetensors file and no folder with one")
            self.path, self._file = given.parent, given.name
        elif given.is_dir():
            self.path = given
        else:
            raise WeightsError(
                f"there is no folder or file {given}: weights are read from local folders only, so "
                "download the model first"
            )

    @functools.cached_property
    def _listed(self) -> dict[str, str] | None:
        return digests.read(self.path)

    def file(self, name: str) -> Path | None:
        """A file of this folder, as it was written; None where there is no such file.

        Raises:
          WeightsError: when the folder has digests, as an export and a run do, and they say
            otherwise.
        """
        file = self.inside(name)
        try:
            listed = self._listed
            there = file.is_file()
            if listed is not None and (there or name in listed) and name not in self._verified:
                digests.verify(self.path, listed, [name])
                self._verified.add(name)
        except digests.DamagedError as error:
            raise WeightsError(f"{error}; copy the folder again, or make it again") from error
        return file if there else None

    def json(self, name: str) -> dict[str, Any] | None:
        """The object in a JSON file of this folder; None where there is no such file."""
        file = self.file(name)
        if file is None:
            return None
        try:
            return read_json(file)
        except DamagedFile as error:
            raise WeightsError(str(error)) from error

    def inside(self, name: str) -> Path:
        """The path of a file of this folder.

        Raises:
          WeightsError: for a name that would lead out of the folder, and for a file that was not
            fetched from where a repository keeps it.
        """
        if not isinstance(name, str) or Path(name).name != name or "\\" in name or name == "..":
            raise WeightsError(
                f"{self.path}: the name {name!r} leads out of the folder, and is not followed"
            )
        path = self.path / name
        if what := pointer_at(path):
            raise WeightsError(f"{path} is only {what}")
        return path

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Around what takes values out of this folder's JSON files, which may be of any type.

        Raises:
          WeightsError: for what a value of another type, or beyond all bounds, raises.
        """
        try:
            yield
        except ConfigError as error:
            if str(self.path) in str(error):
                raise
            raise WeightsError(f"{self.path}: {error}") from error
        except UserError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise WeightsError(
                f"{self.path}: a value in its JSON files is none that its kind of model can have "
                f"({type(error).__name__}: {' '.join(str(error).split()):.200})"
            ) from error

    def below(self, name: str) -> Folder | None:
        """A folder in this one; None where it is not there."""
        path = self.inside(name)
        return Folder(path) if path.is_dir() else None

    def tensors(self) -> Tensors:
        """The tensors, of one file or of all that an index lists.

        Raises:
          WeightsError: naming the file that is missing, truncated, damaged, of another hash, or a
            pickle.
        """
        found: dict[str, np.ndarray] = {}
        for name in self._names():
            file = self.file(name) or self.inside(name)
            for key, array in read(file).items():
                if key in found:
                    raise WeightsError(f"{file}: the tensor {key!r} is in another file, too")
                found[key] = array
        return Tensors(found, self.path)

    def _names(self) -> list[str]:
        if self._file is not None:
            return [self._file]
        for name in WEIGHTS:
            if self.file(name) is not None:
                return [name]
            index = self.json(f"{name}.index.json")
            if index is not None:
                table = index.get("weight_map")
                if not isinstance(table, dict) or not table:
                    raise WeightsError(f"{self.path / name}.index.json has no 'weight_map'")
                names = sorted({str(value) for value in table.values()})
                for each in names:
                    if not each.endswith(".safetensors"):
                        raise WeightsError(_refused(self.inside(each)))
                return names
        single = sorted(self.path.glob("*.safetensors"))
        if len(single) == 1:
            return [single[0].name]
        if single:
            raise WeightsError(
                f"{self.path} has several safetensors files ({', '.join(f.name for f in single)}) "
                f"and none is called {WEIGHTS[-1]}: give the path of one"
            )
        pickles = [f for f in sorted(self.path.iterdir()) if f.suffix.lower() in PICKLES]
        if pickles:
            raise WeightsError(_refused(pickles[0]))
        raise WeightsError(f"{self.path} holds no weights: there is no {WEIGHTS[-1]} in it")


class Tensors(Mapping[str, np.ndarray]):
    """name -> array of a folder; arrays are views of the files and are read when used."""

    def __init__(self, arrays: Mapping[str, np.ndarray], where: Path):
        self._arrays, self.where = dict(arrays), where

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def read(file: Path) -> dict[str, np.ndarray]:
    """The tensors of one safetensors file, as read-only views of a memory map.

    Raises:
      WeightsError: for a file that is missing, truncated or damaged.
    """
    if not file.is_file():
        raise WeightsError(f"{file} is missing: it is named as a part of the weights")
    size = file.stat().st_size
    damaged = f"{file} is truncated or damaged: "
    if size < 8:
        raise WeightsError(f"{damaged}it has {size} bytes, less than any safetensors file")
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(_LONGEST_HEADER, size - 8):
            raise WeightsError(
                f"{damaged}its first bytes promise a header of {length:,} bytes, and the file has "
                f"{size:,} (is it a safetensors file?)"
            )
        try:
            header = json_object(stream.read(length), f"the header of {file}")
        except DamagedFile as error:
            raise WeightsError(str(error)) from error
    header.pop("__metadata__", None)
    entries = {name: _entry(file, name, value) for name, value in header.items()}
    promised = 0
    # As the format asks for, no byte is of two tensors or of none.
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != promised:
            what = "overlaps another tensor" if begin < promised else "is behind a hole"
            raise WeightsError(f"{file} is damaged: {name!r} at byte {begin:,} {what}")
        promised = end
    if promised != size - 8 - length:
        raise WeightsError(
            f"{damaged}its header promises {promised:,} bytes of numbers, and "
            f"{size - 8 - length:,} are there"
        )
    data = np.memmap(file, np.uint8, "r", offset=8 + length) if promised else np.empty(0, np.uint8)
    return {
        name: np.asarray(data[begin:end]).view(dtype).reshape(shape)
        for name, (dtype, shape, begin, end) in entries.items()
    }


def _entry(file: Path, name: str, value: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    try:
        kind, shape, (begin, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole:
        raise WeightsError(f"{file} is damaged: the header's entry of {name!r} is not readable")
    if kind not in DTYPES:
        raise WeightsError(
            f"{file}: {name!r} has the type {kind}, which is not read here; save it as float32, "
            "bfloat16 or float16"
        )
    dtype = np.dtype(DTYPES[kind])
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise WeightsError(
            f"{file} is damaged: {name!r} of shape {list(shape)} and type {kind} cannot have "
            f"{end - begin} bytes"
        )
    return dtype, shape, begin, end


def write(file: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file that is there whole or not at all."""
    from safetensors.numpy import save_file

    with replacing(file) as part:
        save_file({k: np.asarray(v, order="C") for k, v in tensors.items()}, part, dict(metadata))


def _refused(file: Path) -> str:
    target = "model.safetensors"
    return (
        f"{file} is a torch pickle, which can run any program when it is opened, and is not read "
        'here. Convert it where you trust it: python -c "import torch; from safetensors.torch '
        f"import save_file; w = torch.load('{file.name}', weights_only=True, map_location='cpu'); "
        f"save_file({{k: v.contiguous().clone() for k, v in w.items()}}, '{target}')\""
    )


# An export of `--format=safetensors` has this file beside its tensors.
OWN_CONFIG = "mmjax.json"


def is_foreign(path: str | Path) -> bool:
    """Whether a folder, a run, an export or one with weights, is of another library."""
    folder = Path(path).expanduser()
    return not ((folder / OWN_CONFIG).is_file() or places.checkpoints(folder).is_dir())

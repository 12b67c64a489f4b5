"""What the commands over data share: which source the command line names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import recipe as recipe_lib
from mmjax.data.config import DataConfig, Mixture
from mmjax.data.formats import remote
from mmjax.data.records import Source
from mmjax.data.registry import SOURCES
from mmjax.data.sources.array_record import INDEX
from mmjax.data.sources.folder import NoCaptions, OtherFiles
from mmjax.errors import ConfigError

DATA = flags.DEFINE_string(
    "data",
    None,
    "A table, tar shards or a folder of them, a folder of images or ArrayRecord shards, a .npz, or "
    "emoji:SPLIT. Tables and shards also at addresses, s3://bucket/shards/.",
    allow_override=True,
)
PART = flags.DEFINE_string("part", None, "Of a recipe's mixture, which source.")
OUT = flags.DEFINE_string("out", None, "The file or folder to write.", allow_override=True)


def source_of(data: str, alone: bool = False) -> Source:
    """The source of a path: a table, shards, a folder, arrays, or `emoji:SPLIT`.

    Args:
      data: the path.
      alone: whether files of a folder may have no captions.

    Raises:
      ConfigError: when no source takes it.
      SourceError: when there is no such thing.
    """
    kind, _, split = data.partition(":")
    if kind == "emoji":
        spec = {"type": "emoji", "split": split or "new_style"}
    elif (Path(data) / INDEX).is_file():
        spec = {"type": "array_record", "path": data}
    elif data.endswith(".tar") or next(Path(data).glob("*.tar"), None) is not None:
        spec = {"type": "webdataset", "path": data}
    elif Path(data).is_dir():
        return _folder({"type": "folder", "path": data}, alone)
    elif data.endswith(".npz"):
        spec = {"type": "arrays", "path": data}
    elif ("*" in data and not Path(data).suffix) or (remote.is_remote(data) and data.endswith("/")):
        spec = {"type": "webdataset", "path": data}
    else:
        spec = {"type": "manifest", "path": data}
    return SOURCES.parse(spec, "data", "--data").build()


def _folder(spec: dict[str, str], alone: bool) -> Source:
    """The source of a folder, of images or of what else it has."""
    try:
        return SOURCES.parse(spec, "data", "--data").build()
    except ConfigError as error:
        why = error.__cause__
        if isinstance(why, OtherFiles) and why.modality is not None and "modality" not in spec:
            return _folder({**spec, "modality": why.modality}, alone)
        if isinstance(why, NoCaptions) and alone:
            return _folder({**spec, "captions": "none"}, alone)
        raise


def in_common(model: Any, data: Any) -> tuple[str, ...]:
    """The modalities that an `EvalData` has and a `mmjax.api.Model` embeds.

    Raises:
      ConfigError: when there is none.
    """
    names: tuple[str, ...] = data.embedded_by(model)
    if not names:
        raise ConfigError(
            f"the data have {', '.join(data.source.modalities)} and the model reads "
            f"{', '.join(model.bundle.views) or 'nothing'}: there is nothing to embed"
        )
    return names


@dataclasses.dataclass(frozen=True)
class Named:
    """Which source a command line names; picklable, for other processes to open it.

    Attributes:
      data: a path, in place of a recipe.
      recipe: `FILE[:VARIANT]`, whose `data.source` it is.
      overrides: of the recipe's keys.
      part: of a mixture.
      alone: whether files of a folder may have no captions.
    """

    data: str | None
    recipe: str | None
    overrides: tuple[str, ...]
    part: str | None
    alone: bool = False

    def config(self) -> DataConfig | None:
        """The section `data` of the recipe, where there is one."""
        return None if self.recipe is None else recipe_lib.load(self.recipe, self.overrides).data

    def open(self) -> Source:
        """The source.

        Raises:
          ConfigError: for a mixture without `part`, and the other way round.
        """
        config = self.config()
        if config is None:
            assert self.data is not None
            return source_of(self.data, self.alone)
        source = config.source
        if isinstance(source, Mixture):
            if self.part not in source.sources:
                parts = "|".join(source.sources)
                raise ConfigError(f"data.source is a mixture: name one with --part={parts}")
            source = source.sources[self.part]
        elif self.part is not None:
            raise ConfigError(f"--part={self.part}: data.source is one source and no mixture")
        return source.build()


def named(path: str | None, overrides: Sequence[str]) -> Named:
    """What the command line names: a recipe's `data.source`, or of a mixture a part; or `--data`.

    Args:
      path: of the recipe, `FILE[:VARIANT]`; None for `--data`.
      overrides: of the recipe's keys.

    Raises:
      ConfigError: for neither or both.
    """
    if (path is None) == (DATA.value is None):
        raise ConfigError("say which data: --config=RECIPE for its data.source, or --data=PATH")
    if path is None and overrides:
        raise ConfigError("--config.KEY=VALUE changes a recipe: give --config=RECIPE, too")
    return Named(DATA.value, path, tuple(overrides), PART.value)


def named_source(path: str | None, overrides: Sequence[str]) -> Source:
    """The source that the command line names; see `named` and `Named.open`."""
    return named(path, overrides).open()


def out() -> Path:
    """The file or folder that `--out` names.

    Raises:
      ConfigError: when it is not given.
    """
    if OUT.value is None:
        raise ConfigError("say where to write: --out=...")
    return Path(OUT.value).expanduser()

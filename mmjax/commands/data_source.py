"""What the commands over data share: which source the command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import recipe as recipe_lib
from mmjax.data.config import Mixture
from mmjax.data.formats import remote
from mmjax.data.records import Source
from mmjax.data.registry import SOURCES
from mmjax.data.sources.array_record import INDEX
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


def source_of(data: str) -> Source:
    """The source of a path: a table, shards, a folder, arrays, or `emoji:SPLIT`.

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
        spec = {"type": "folder", "path": data}
    elif data.endswith(".npz"):
        spec = {"type": "arrays", "path": data}
    elif ("*" in data and not Path(data).suffix) or (remote.is_remote(data) and data.endswith("/")):
        spec = {"type": "webdataset", "path": data}
    else:
        spec = {"type": "manifest", "path": data}
    return SOURCES.parse(spec, "data", "--data").build()


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


def named_source(path: str | None, overrides: Sequence[str]) -> Source:
    """The source of a recipe's `data.source`, of a mixture the `--part`; or of `--data`.

    Args:
      path: of the recipe, `FILE[:VARIANT]`; None for `--data`.
      overrides: of the recipe's keys.

    Raises:
      ConfigError: for neither or both, and for a mixture without `--part`.
    """
    data, part = DATA.value, PART.value
    if (path is None) == (data is None):
        raise ConfigError("say which data: --config=RECIPE for its data.source, or --data=PATH")
    if path is None:
        if overrides:
            raise ConfigError("--config.KEY=VALUE changes a recipe: give --config=RECIPE, too")
        assert data is not None
        return source_of(data)
    data_config = recipe_lib.load(path, overrides).data
    source = data_config.source
    if isinstance(source, Mixture):
        if part not in source.sources:
            parts = "|".join(source.sources)
            raise ConfigError(f"data.source is a mixture: name one with --part={parts}")
        source = source.sources[part]
    elif part is not None:
        raise ConfigError(f"--part={part}: data.source is one source and no mixture")
    return source.build()


def out() -> Path:
    """The file or folder that `--out` names.

    Raises:
      ConfigError: when it is not given.
    """
    if OUT.value is None:
        raise ConfigError("say where to write: --out=...")
    return Path(OUT.value).expanduser()

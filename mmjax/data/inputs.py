"""From the config's data section to objects: sources, views, the training batches."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mmjax import recipe as config_lib
from mmjax.data.pipeline import TrainData
from mmjax.data.registry import SOURCES, TOKENIZERS, VIEWS
from mmjax.data.report import BadRows
from mmjax.data.sources.user_files import settle
from mmjax.data.views import field_of
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib


def views(config: Mapping) -> dict[str, Any]:
    """The view of every modality of the batch, name -> View, all with one tokenizer."""
    section = config["data"]
    tokenizer = None
    if section["tokenizer"] is not None:
        tokenizer = config_lib.build(TOKENIZERS, section["tokenizer"])
    return {
        name: config_lib.build(VIEWS, spec, tokenizer=tokenizer)
        for name, spec in section["views"].items()
    }


def batch_shapes(config: Mapping) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of every array of a global batch, from the config alone: no file is read.

    A modality can be absent from a row where `data.on_error` is 'skip'; whether a source says so
    too is in its files, and not known here.
    """
    section = config["data"]
    views = {
        name: config_lib.build(VIEWS, spec, tokenizer=_NoTokenizer())
        for name, spec in section["views"].items()
    }
    size = section["batch_size"]
    shapes = {
        name: jax.ShapeDtypeStruct((size, *view.shape), view.dtype) for name, view in views.items()
    }
    if section["on_error"] == "skip":
        for name in views:
            shapes[f"{field_of(name)}_present"] = jax.ShapeDtypeStruct((size,), bool)
    return {**shapes, "id": jax.ShapeDtypeStruct((size,), np.int32)}


class _NoTokenizer:
    """Stands in a view for the tokenizer, whose file need not be there, when nothing is read."""


def source(spec: Mapping) -> Any:
    """One source, from a checked spec of SOURCES."""
    return config_lib.build(SOURCES, spec)


def train_data(
    config: Mapping, report: BadRows | None, mesh: jax.sharding.Mesh, stage: int = 0
) -> TrainData:
    """The batches to train on, of this process.

    Args:
      config: the whole config.
      report: takes the bad rows.
      mesh: says which rows this process needs.
      stage: number of the stage, from 0; each has an order and augmentation of its own.

    Raises:
      ConfigError: when the source cannot fill a batch, or the processes cannot divide it.
      SourceError: with data.on_error='fail', for rows that a source has left out.
    """
    part, parts = mesh_lib.reading(mesh.devices, jax.process_index())
    section = config["data"]
    specs = section["source"]
    if "type" in specs:
        specs = {specs["type"]: specs}
    sources = {
        name: source({k: v for k, v in spec.items() if k != "weight"})
        for name, spec in specs.items()
    }
    if section["on_error"] == "fail":
        for name, each in sources.items():
            where = "data.source" if len(sources) == 1 else f"data.source.{name}"
            settle(where, len(each), each.bad, "fail")
    try:
        return TrainData(
            sources,
            views(config),
            weights={name: spec.get("weight", 1.0) for name, spec in specs.items()},
            mix=section["mix"],
            batch_size=section["batch_size"],
            seed=_seed(config["seed"], stage),
            process_index=part,
            process_count=parts,
            workers=section["workers"],
            prefetch=section["prefetch"],
            on_error=section["on_error"],
            report=report,
        )
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error


def _seed(seed: int, stage: int) -> int:
    if stage == 0:
        return seed
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])

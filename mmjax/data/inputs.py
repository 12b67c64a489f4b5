"""Builds the views and the training batches from the section `data` of a recipe."""

from collections.abc import Mapping
from typing import cast

import jax
import numpy as np

from mmjax.data import galleries as galleries_lib
from mmjax.data.config import DataConfig, Mixture
from mmjax.data.limits import check_listed
from mmjax.data.pipeline import TrainData
from mmjax.data.records import Source
from mmjax.data.report import BadRows
from mmjax.data.rows import entries
from mmjax.data.sources.user_files import settle
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views import View, group_of
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib


def views(config: DataConfig, tokenizer: Tokenizer | None = None) -> dict[str, View]:
    """The view of every array of the batch, by name, all with one tokenizer.

    Args:
      config: of the data.
      tokenizer: in place of the one that the config names, which is then not read.
    """
    if tokenizer is None and config.tokenizer is not None:
        tokenizer = config.tokenizer.build()
    found = {name: each.build(tokenizer) for name, each in config.views.items()}
    for name, view in found.items():
        view.name = name
    return found


def in_training(config: DataConfig, views: Mapping[str, View]) -> dict[str, View]:
    """Those of the views that batches of training hold."""
    return {name: view for name, view in views.items() if config.views[name].train}


def batch_shapes(config: DataConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of every array of a global batch, from the config alone: no file is read.

    A field can be absent from a row where `data.on_error` is 'skip', and where the kind of source
    lets its records lack it; what only the files of a source say is not known here.
    """
    made = in_training(config, views(config, cast(Tokenizer, _NoTokenizer())))
    maybe_absent = {group_of(*each) for each in made.items()}
    if config.on_error != "skip":
        lacking = (getattr(source.word, "may_lack", ()) for source in config.sources.values())
        maybe_absent &= {m for each in lacking if isinstance(each, tuple) for m in each}
    found = entries(made, sorted(maybe_absent), config.batch_size)
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in found.items()}


def gallery_shapes(config: DataConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of what a step gets of galleries, from the config alone: no file is read."""
    every = views(config, cast(Tokenizer, _NoTokenizer()))
    found: dict[str, jax.ShapeDtypeStruct] = {}
    for name, gallery in config.galleries.items():
        view = every[gallery.view]
        shape = (gallery.size, *view.shape)
        found[galleries_lib.inputs_of(name)] = jax.ShapeDtypeStruct(shape, view.dtype)
        found[galleries_lib.ids_of(name)] = jax.ShapeDtypeStruct((gallery.size,), np.int32)
        if gallery.weight is not None:
            weights = galleries_lib.weights_of(name)
            found[weights] = jax.ShapeDtypeStruct((gallery.size,), np.float32)
    return found


def galleries(config: DataConfig, mesh: jax.sharding.Mesh) -> dict[str, jax.Array]:
    """What a step gets of galleries, whole on every device; every process reads all of it.

    Raises:
      ConfigError: for a source that has other entries than the config says.
      BadExample: for an entry that cannot be read.
    """
    if not config.galleries:
        return {}
    every = views(config)
    found: dict[str, np.ndarray] = {}
    for name, gallery in config.galleries.items():
        values, ids, weights = gallery.read(every, f"data.galleries.{name}")
        found |= {galleries_lib.inputs_of(name): values, galleries_lib.ids_of(name): ids}
        if weights is not None:
            found[galleries_lib.weights_of(name)] = weights
    return mesh_lib.everywhere(found, mesh)


class _NoTokenizer:
    """Stands in a view for the tokenizer, whose file need not be there, when nothing is read."""


def train_data(
    config: DataConfig,
    report: BadRows | None,
    mesh: jax.sharding.Mesh,
    *,
    seed: int,
    stage: int = 0,
    sources: Mapping[str, Source] | None = None,
) -> TrainData:
    """The batches to train on, of this process.

    Args:
      config: of the data.
      report: takes the bad rows.
      mesh: says which rows this process needs.
      seed: of the run.
      stage: number of the stage, from 0; each has an order and augmentation of its own.
      sources: by name, in the place of those that the config names.

    Raises:
      ConfigError: when the source cannot fill a batch, or the processes cannot divide it.
      SourceError: for rows that a source has left out: any with data.on_error='fail', otherwise
        more than data.max_bad_fraction.
    """
    part, parts = mesh_lib.reading(mesh.devices, jax.process_index())
    if sources is None:
        sources = {name: spec.build() for name, spec in config.sources.items()}
    for name, each in sources.items():
        where = f"data.source.{name}" if isinstance(config.source, Mixture) else "data.source"
        if config.on_error == "fail":
            settle(where, len(each), each.bad, "fail")
        check_listed(where, each, config.max_bad_fraction)
    try:
        return TrainData(
            sources,
            in_training(config, views(config)),
            weights=config.weights,
            mix=config.mix,
            groups=config.groups,
            batch_size=config.batch_size,
            seed=_seed(seed, stage),
            process_index=part,
            process_count=parts,
            workers=config.workers,
            prefetch=config.prefetch,
            on_error=config.on_error,
            max_bad_fraction=config.max_bad_fraction,
            report=report,
        )
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error


def _seed(seed: int, stage: int) -> int:
    if stage == 0:
        return seed
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])

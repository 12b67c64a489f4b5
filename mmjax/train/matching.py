"""The alternatives that a stage keeps of its records, chosen by the model that it begins with."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmjax.checkpoints.store import CheckpointError
from mmjax.data import inputs
from mmjax.data.match import Chosen, Matched
from mmjax.data.records import Source
from mmjax.errors import ConfigError, unknown
from mmjax.evaluators.data import EvalData, embed
from mmjax.files import read_json, write_atomically
from mmjax.recipe import Recipe
from mmjax.system.embedder import Embedder
from mmjax.train.stages import Stage


def check(stage: Stage) -> None:
    """Checks what a stage says of `data.match`.

    Raises:
      ConfigError: in the first stage, and for a name that no tower embeds.
    """
    config, known = stage.recipe.data.match, stage.recipe.outputs
    if config and not stage.number:
        raise ConfigError(
            "'data.match' chooses by the model of the stage before, and the first has none: set it "
            "in a later one"
        )
    for name, each in config.items():
        for key, view in (("", name), (f".{name}.by", each.by)):
            if view not in known or known[view].tower is None:
                raise unknown(view, list(known), f"data.match{key}", "this recipe", "view")


def sources(stage: Stage, model: Embedder, folder: Path, resumed: bool) -> dict[str, Source]:
    """The sources of a stage with what it keeps of their records.

    The choice is made when the stage begins, and written to `match-<stage>.json` of the run's
    folder, from which a resumed run reads it.

    Args:
      stage: with `data.match`.
      model: as the stage begins; of a run that resumes within it, the model is not asked.
      folder: of the run.
      resumed: whether the stage has begun before.

    Raises:
      CheckpointError: when a resumed run lacks the file.
    """
    recipe = stage.recipe
    opened = {name: spec.build() for name, spec in recipe.data.sources.items()}
    file = folder / f"match-{stage.name}.json"
    if resumed:
        if not file.is_file():
            raise CheckpointError(
                f"{file} does not exist, which says what stage {stage.name!r} trains on: start "
                "again from a checkpoint before it, or in another folder"
            )
        found = read_json(file)
    else:
        found = {name: _chosen(recipe, each, model) for name, each in opened.items()}
        write_atomically(file, json.dumps(found))  # every process has the same
    return {name: Matched(each, found[name]) for name, each in opened.items()}


def _chosen(recipe: Recipe, source: Source, model: Embedder) -> dict[str, Chosen]:
    """Field -> alternatives of each row, of one source."""
    data = EvalData(source, recipe.views_of_outputs(inputs.views(recipe.data)))
    found: dict[str, Chosen] = {}
    for name, config in recipe.data.match.items():
        embedded = embed(model, data, (name, config.by), "all")
        answers, query = embedded[name], embedded[config.by]
        first = query.alternatives == 0
        own = dict(zip(query.rows[first].tolist(), query.unit[first], strict=True))
        rows: list[list[int]] = [[] for _ in range(len(source))]
        for row, at in _by_row(answers.rows).items():
            if row in own:
                order = np.argsort(-(answers.unit[at] @ own[row]), kind="stable")[: config.top]
                rows[row] = answers.alternatives[at][order].tolist()
        found |= dict.fromkeys((recipe.outputs[name].field, *config.also), rows)
    return found


def _by_row(rows: np.ndarray) -> Mapping[int, np.ndarray]:
    """Row -> positions of its items."""
    order = np.argsort(rows, kind="stable")
    known, starts = np.unique(rows[order], return_index=True)
    return dict(zip(known.tolist(), np.split(order, starts[1:]), strict=True))

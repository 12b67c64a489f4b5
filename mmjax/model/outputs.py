"""Outputs of towers: which view each is made of, and which field of a record that view reads.

A tower embeds the views of one modality, by default that of its own name, and its outputs have
their labels: of `image` and `image@2` the tower `image` makes the outputs `image` and `image@2`. A
tower `salient` that `reads` the same modality makes `salient` and `salient@2` of the same arrays. A
view reads the field of its modality unless it names another, and a row has an output where its
record has that field.

Batches come by the names of views. `of_model` is the one place where they get the names of outputs,
by which towers, teachers, queues, terms and evaluators know them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from mmjax.data.config import ViewConfig
from mmjax.model.config import TowerConfig
from mmjax.schema.names import ViewName, presence_name

T = TypeVar("T")


class Output(NamedTuple):
    """What a name of a recipe's terms and evaluators stands for.

    Attributes:
      tower: that embeds the view; None for a view that no tower embeds, such as a label.
      view: of `data.views`.
      field: of a record that the view reads.
      train: whether batches of training hold it.
    """

    tower: str | None
    view: str
    field: str
    train: bool = True


def outputs(
    towers: Mapping[str, TowerConfig], views: Mapping[str, ViewConfig]
) -> dict[str, Output]:
    """Every output of the towers, and every view without a tower, by name."""
    found = {}
    for name, view in views.items():
        if not view.embedded:
            found[name] = Output(None, name, view.reads(name), view.train)
            continue
        modality, label = ViewName.parse(name)
        for tower, config in towers.items():
            if config.embeds(tower) == modality:
                output = str(ViewName(tower, label))
                found[output] = Output(tower, name, view.reads(name), view.train)
    return found


def by_output(table: Mapping[str, Output], views: Mapping[str, T]) -> dict[str, T]:
    """What belongs to views by the names of outputs, of those views that are there."""
    return {name: views[output.view] for name, output in table.items() if output.view in views}


def of_model(table: Mapping[str, Output], batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch by the names of outputs.

    Args:
      table: of the recipe.
      batch: name of a view -> array [B, ...], with `id` and `<field>_present`.

    Returns:
      name of an output, or of a view without a tower -> array; which rows have it, bool[B], for
      each that a row may be without (see `presence_name`); and `id`.
    """
    found = {**by_output(table, batch), "id": batch["id"]}
    present = {name: batch.get(presence_name(output.field)) for name, output in table.items()}
    return found | {presence_name(name): of for name, of in present.items() if of is not None}

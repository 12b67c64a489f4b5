"""Outputs of towers: which view each is made of, and which field of a record that view reads.

A tower embeds the views of one modality, by default that of its own name, and its outputs have
their labels: of `image` and `image@2` the tower `image` makes the outputs `image` and `image@2`. A
tower `salient` that `reads` the same modality makes `salient` and `salient@2` of the same arrays. A
view reads the field of its modality unless it names another, and a row has an output where its
record has that field.

Batches come by the names of views. `of_model` is the one place where they get the names of outputs,
by which towers, teachers, queues, terms and evaluators know them. A fusion makes further outputs of
those of the towers; a row has one where it has all of its inputs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp

from mmjax.data.config import ViewConfig
from mmjax.data.views import FusedView
from mmjax.model.config import FusionConfig, TowerConfig
from mmjax.schema.names import ViewName, presence, presence_name

T = TypeVar("T")
Fused = Mapping[str, tuple[str, ...]]  # output of a fusion -> its inputs


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


def fused(fusions: Mapping[str, FusionConfig]) -> dict[str, tuple[str, ...]]:
    """The inputs of every output of the fusions, by name."""
    return {
        output: inputs
        for name, config in fusions.items()
        for output, inputs in config.outputs(name).items()
    }


def by_output(table: Mapping[str, Output], views: Mapping[str, T]) -> dict[str, T]:
    """What belongs to views by the names of outputs, of those views that are there."""
    return {name: views[output.view] for name, output in table.items() if output.view in views}


def with_fused(made_of: Fused, views: Mapping[str, Any]) -> dict[str, Any]:
    """Views by the names of outputs, with those of fusions whose inputs are all among them."""
    more = {
        name: FusedView(tuple((each, views[each]) for each in inputs))
        for name, inputs in made_of.items()
        if all(each in views for each in inputs)
    }
    return {**views, **more}


def of_model(
    table: Mapping[str, Output], batch: Mapping[str, Any], made_of: Fused | None = None
) -> dict[str, Any]:
    """A batch by the names of outputs.

    Args:
      table: of the recipe.
      batch: name of a view -> array [B, ...], with `id` and `<field>_present`.
      made_of: the fusions of the recipe.

    Returns:
      name of an output, or of a view without a tower -> array; which rows have it, bool[B], for
      each that a row may be without (see `presence_name`); and `id`. Of fusions, which rows have
      them.
    """
    found = {**by_output(table, batch), "id": batch["id"]}
    present = {name: batch.get(presence_name(output.field)) for name, output in table.items()}
    found |= {presence_name(name): of for name, of in present.items() if of is not None}
    there = {name: present_in_all(found, inputs) for name, inputs in (made_of or {}).items()}
    if all(each is None for each in there.values()):
        return found
    # Each says it of itself: without, an output would be there where that of its fusion's name is.
    every = jnp.ones(len(batch["id"]), bool)
    more = {presence_name(n): every if of is None else of for n, of in there.items()}
    return {**found, **more}


def present_in_all(batch: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Which rows have all of some outputs, bool[B]; None where all rows have them."""
    there = None
    for name in names:
        own = presence(batch, name)
        if own is not None:
            own = jnp.asarray(own, bool)
            there = own if there is None else there & own
    return there

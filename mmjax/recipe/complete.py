"""Validates a recipe against the schema: from plain keys to a `Recipe`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.recipe import own as own_lib
from mmjax.recipe import pretrained, words
from mmjax.recipe.changes import changes, merge
from mmjax.recipe.references import check_references
from mmjax.recipe.sections import Recipe
from mmjax.recipe.stages import each, read
from mmjax.schema.names import modality_of
from mmjax.schema.sections import section_of
from mmjax.schema.values import plain
from mmjax.weights.files import OWN_CONFIG, Folder, is_foreign
from mmjax.weights.foreign import Weights
from mmjax.weights.start import complete as complete_tower

# Keys that earlier versions had.
_OLD = ("claim",)


def complete(tree: Mapping[str, Any], file: str) -> Recipe:
    """Checks plain keys against the schema and completes every default.

    Each stage is checked as the whole recipe that it is together with what it changes, and says
    afterwards what it changes of the completed recipe.

    Args:
      tree: keys, plain or an `ml_collections.ConfigDict`.
      file: of the recipe, for messages.

    Raises:
      ConfigError: in one sentence, for a key or a value that cannot be.
    """
    keys: dict[str, Any] = plain(tree)
    words.load(words.imported(keys, file), file)
    keys = pretrained.spelled_out(keys, opened, file)
    stages = read(keys.pop("stages", ()), file)
    recipe = _whole(keys, file)
    done = []
    for stage in stages:
        of_stage = f"{file}, stage {stage.name!r}"
        whole = _whole(merge(keys, stage.changes), of_stage)
        if not whole.steps:
            raise ConfigError(
                f"{of_stage}: 'steps' is 0, but every stage trains: leave the stage out, or set "
                "evaluate_at_start=True"
            )
        check_references(whole, of_stage)
        done.append(dataclasses.replace(stage, changes=changes(recipe.plain(), whole.plain())))
    recipe = dataclasses.replace(recipe, stages=tuple(done))
    check_references(recipe, file)
    return recipe


def of_json(tree: Any, file: str) -> Recipe:
    """A recipe from what JSON text of `stored.dump` holds.

    Args:
      tree: the parsed text.
      file: that it is of, for messages.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{file} is damaged: it has to hold the keys of a recipe")
    words.check_outside(words.imported(tree, file), Path(file).parent, file)
    return complete({key: value for key, value in tree.items() if key not in _OLD}, file)


def opened(path: str) -> Weights:
    """What a run can start from in a folder, of which the arrays of a run are not read.

    Raises:
      ConfigError: when the folder has neither weights nor a run.
    """
    if is_foreign(path):
        return Weights(path)
    folder = Folder(path)
    own = folder.json(OWN_CONFIG)
    tree = folder.json("config.json") if own is None else own["config"]
    name = OWN_CONFIG if own is not None else "config.json"
    recipe = each(of_json(tree, str(folder.path / name)))[-1][1]
    known = own or {}
    return own_lib.weights(recipe, path, known.get("log_scale"), known.get("bias"))


def _whole(tree: Mapping[str, Any], file: str) -> Recipe:
    """A recipe without stages; its references are not checked."""
    recipe = Recipe.of(_spelled_out(tree, file), file)
    _check_views(recipe, file)
    for name, tower in recipe.model.towers.items():
        known = [own for own, output in recipe.outputs.items() if output.tower == name]
        named = [(f"model.towers.{name}.deterministic", own) for own in tower.deterministic]
        named += [] if tower.augment is None else tower.augment.reads()
        for where, own in named:
            if own not in known:
                raise unknown(own, known, where, file, "view")
    if recipe.steps and not recipe.objectives:
        raise ConfigError(
            f"{file}: 'objectives' is empty: there is nothing to train; steps=0 only evaluates"
        )
    if recipe.steps and recipe.optimizer is None:
        raise ConfigError(
            f"{file}: the key 'optimizer' is missing; steps=0, which trains nothing, needs none"
        )
    return recipe


def _check_views(recipe: Recipe, file: str) -> None:
    """Checks that every view has a tower, or is said to have none."""
    towers, read = recipe.model.towers, {output.view for output in recipe.outputs.values()}
    for name, view in recipe.data.views.items():
        if not view.embedded and modality_of(name) in towers:
            raise ConfigError(
                f"{file}: no tower embeds 'data.views.{name}', but its name is that of an output "
                f"of 'model.towers.{modality_of(name)}': call it otherwise, with field="
                f"{view.reads(name)!r}"
            )
        if name not in read:
            raise ConfigError(
                f"{file}: 'data.views.{name}' has no tower; 'model.towers' has {sorted(towers)}"
            )
    modalities = {modality_of(name) for name in recipe.data.views}
    for name, tower in towers.items():
        if tower.reads is not None and tower.reads not in modalities:
            raise unknown(tower.reads, modalities, f"model.towers.{name}.reads", file, "modality")


def _spelled_out(tree: Mapping[str, Any], file: str) -> dict[str, Any]:
    """A recipe's keys without shorthands: `init_from` of towers, `like` of further sources."""
    tree = dict(tree)
    model = tree.get("model")
    if isinstance(model, Mapping) and isinstance(model.get("towers"), Mapping):
        towers = {
            name: complete_tower(tower, name, f"model.towers.{name}", file, opened)
            if isinstance(tower, Mapping) and tower.get("init_from") is not None
            else tower
            for name, tower in model["towers"].items()
        }
        tree["model"] = {**model, "towers": towers}
    evaluators, data = tree.get("evaluators"), tree.get("data")
    training = data.get("source") if isinstance(data, Mapping) else None
    if isinstance(data, Mapping) and isinstance(data.get("galleries"), Mapping):
        galleries = {
            name: _sources(spec, training, f"data.galleries.{name}", file)
            for name, spec in data["galleries"].items()
        }
        tree["data"] = {**data, "galleries": galleries}
    if isinstance(evaluators, Mapping):
        tree["evaluators"] = {
            kind: {
                name: _sources(spec, training, f"evaluators.{kind}.{name}", file)
                for name, spec in named.items()
            }
            if isinstance(named, Mapping)
            else named
            for kind, named in evaluators.items()
        }
    return tree


def _sources(spec: Any, training: Any, where: str, file: str) -> Any:
    """A dict with its sources that are `like` the training source spelled out."""
    if not isinstance(spec, Mapping):
        return spec
    return {
        key: _like(value, training, f"{where}.{key}", file)
        if isinstance(value, Mapping) and "like" in value
        else value
        for key, value in spec.items()
    }


def _like(spec: Mapping[str, Any], training: Any, where: str, file: str) -> dict[str, Any]:
    """A source as changes of the training source: `{like: data.source, split: val}`.

    So an override of the training source's path holds for evaluation, too. Of a mixture one part
    is named, `data.source.<name>`. Changes of a source around another one may have changes of that
    one, `source: {split: val}`, too. Rows of another split are taken for rows that are not trained
    on, so a source that trains on all of them is refused.
    """
    training = section_of(training, "data.source", file)
    known = (
        {"data.source": training}
        if "type" in training
        else {f"data.source.{name}": part for name, part in training.items()}
    )
    if not isinstance(spec["like"], str) or spec["like"] not in known:
        raise unknown(spec["like"], known, f"{where}.like", file, "value")
    model = section_of(known[spec["like"]], spec["like"], file)
    model = {key: value for key, value in model.items() if key != "weight"}
    split, defaults = spec.get("split", "all"), words.options("source", model.get("type"))
    trained_on = model.get("split", defaults["split"][1] if "split" in defaults else None)
    if trained_on == "all" and split not in ("all", "train") and "path" not in spec:
        raise ConfigError(
            f"{file}: {where!r} asks for the split {split!r} of {spec['like']}, whose split is "
            f"'all': training would see these rows. Set {spec['like']}.split='train'"
        )
    changes = {key: value for key, value in spec.items() if key != "like"}
    inner, around = changes.get("source"), model.get("source")
    if isinstance(inner, Mapping) and isinstance(around, Mapping) and "type" not in inner:
        changes["source"] = {**around, **inner}
    return {**model, **changes}

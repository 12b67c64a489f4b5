"""Checks references: names in a recipe that refer to another part of it.

A wrong one would end a run late: an evaluator runs after the last step. Which options are names of
views, a word says itself, by the annotation `ViewRef`.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

from mmjax.errors import ConfigError, unknown
from mmjax.objectives import ObjectiveConfig, Term
from mmjax.recipe import stages
from mmjax.recipe.sections import Recipe
from mmjax.schema.names import modality_of

# What a summary holds beside the metrics of evaluators, and those of terms (`train/<term>/...`).
_OF_EVERY_RUN = (
    "seconds", "step", "train/loss", "train/learning_rate", "train/gradient_norm",
    "train/parameter_norm",
)  # fmt: skip


def check_references(recipe: Recipe, file: str) -> None:
    """Checks a completed recipe for names of parts that are not there.

    Args:
      recipe: whole; with stages, what all of them share.
      file: of the recipe, for messages.

    Raises:
      ConfigError: with the key, the name and the nearest valid one.
    """
    for name in recipe.model.towers:
        if not any(output.tower == name for output in recipe.outputs.values()):
            raise ConfigError(
                f"{file}: 'model.towers.{name}' gets no data: give 'data.views' a view {name!r} "
                "or take the tower away"
            )
    _check_fusions(recipe, file)
    known = recipe.embedded
    trained = [name for name, in_training in known.items() if in_training]
    for path, name in _read_in_training(recipe):
        if name not in trained:
            raise unknown(name, trained, path, file, "view")
    _check_galleries(recipe, file)
    embedded = [name for name, own in recipe.outputs.items() if own.tower and own.train]
    for name in recipe.data.mix_inputs:
        if name not in embedded:
            raise unknown(name, embedded, "data.mix_inputs", file, "view that a tower embeds")
    _check_stages(recipe, file)
    for _, _, evaluator in recipe.each_evaluator():
        for path, name in evaluator.reads():
            if name not in known:
                raise unknown(name, known, path, file, "modality")
        for kind, what in _KINDS_OF_TERMS.items():
            known_terms = [n for n, each in recipe.objectives.items() if what.has(each)]
            for path, name in evaluator.reads(kind):
                if name not in known_terms:
                    raise unknown(name, known_terms, path, file, what.said)
    section = recipe.checkpoints
    if section.keep_best and section.metric is None:
        raise ConfigError(
            f"{file}: 'checkpoints.keep_best' needs 'checkpoints.metric', the name of an "
            "evaluation metric"
        )
    if section.metric is not None:
        check_metric(section.metric, "checkpoints.metric", recipe, file)


class _KindOfTerm(NamedTuple):
    said: str
    attribute: str

    def has(self, objective: ObjectiveConfig) -> bool:
        return bool(getattr(cast("type[Term]", objective.term.word), self.attribute))


# What evaluators ask for by a term's name, as `Refers.to` has it.
_KINDS_OF_TERMS = {
    "term": _KindOfTerm("term with a score of its own", "scores_pairs"),
    "match": _KindOfTerm("term that scores pairs", "matches_pairs"),
    "numbers": _KindOfTerm("term that predicts numbers", "predicts"),
    "caption": _KindOfTerm("term that generates texts", "generates"),
}


def _check_stages(recipe: Recipe, file: str) -> None:
    """That a stage which may end early measures what it ends by."""
    for stage, whole in stages.each(recipe):
        if stage.until is None:
            continue
        where = f"stages.{stage.name}"
        if not (whole.steps and whole.evaluate_every):
            raise ConfigError(
                f"{file}: '{where}.until' is looked at when the stage is evaluated: set "
                f"'{where}.evaluate_every' to some steps (and 'steps' to the most it may make)"
            )
        known = _measured(whole)
        if not any(stage.until.metric.startswith(f"{each}/") for each in known):
            names = [f"{each}/..." for each in known]
            raise unknown(stage.until.metric, names, f"{where}.until.metric", file, "metric")


def _check_fusions(recipe: Recipe, file: str) -> None:
    known = [name for name, output in recipe.outputs.items() if output.tower is not None]
    hidden = {modality_of(name) for name in (*recipe.outputs, *recipe.data.views)}
    hidden |= {*recipe.model.towers}
    for name, config in recipe.model.fusions.items():
        where = f"model.fusions.{name}"
        if name in hidden:
            raise ConfigError(f"{file}: '{where}' hides the view {name!r}: call it otherwise")
        for label in (name, *config.also):
            if "@" in label or not label:
                raise ConfigError(
                    f"{file}: '{where}' has a name with '@' ({label!r}), which stands between name "
                    "and label: call it otherwise"
                )
        for path, each in config.reads():
            if each not in known:
                raise unknown(each, known, path, file, "view")
        for output, inputs in config.outputs(name).items():
            if not inputs or len(set(inputs)) < len(inputs):
                raise ConfigError(
                    f"{file}: the inputs of {output!r} in '{where}' are {inputs!r}: name some, "
                    "each once"
                )


def _check_galleries(recipe: Recipe, file: str) -> None:
    galleries = recipe.data.galleries
    for name, gallery in galleries.items():
        where = f"data.galleries.{name}"
        gallery.check(recipe.data.views, where)
        output = recipe.outputs.get(gallery.view)
        if output is None or output.tower is None:
            raise ConfigError(
                f"{file}: '{where}.view' is {gallery.view!r}, which no tower of its name embeds"
            )
        if name in recipe.outputs or name in recipe.fused:
            raise ConfigError(f"{file}: '{where}' has the name of a view: call it otherwise")
    for path, name in _read_in_training(recipe, "gallery"):
        if name not in galleries:
            raise unknown(name, galleries, path, file, "gallery")


def _read_in_training(recipe: Recipe, to: str = "view") -> Iterator[tuple[str, str]]:
    """(path of the key, name) of every view, or gallery, that terms, teacher and queue ask for."""
    for objective in recipe.objectives.values():
        yield from objective.reads(to)
    if recipe.teacher is not None:
        yield from recipe.teacher.reads(to)
    if recipe.queue is not None:
        yield from recipe.queue.reads(to)


def check_metric(
    name: str, where: str, recipe: Recipe, file: str, of_training: bool = False
) -> None:
    """Checks the name of a metric as far as it is known here: the evaluator, or the term.

    Args:
      name: of the metric, as in a run's summary.
      where: path of the key that names it.
      recipe: of the run.
      file: for messages.
      of_training: whether metrics of training are meant, too.

    Raises:
      ConfigError: with the nearest evaluator or term.
    """
    every = stages.each(recipe)
    *before, (_, last) = every  # whose metrics are those of the run
    known, others = _measured(last, of_training), _OF_EVERY_RUN if of_training else ()
    for stage, whole in before:
        known += [f"{stage.name}/{each}" for each in _measured(whole, of_training)]
    if recipe.evaluate_at_start:
        known += [f"start/{each}" for each in _measured(every[0][1])]
    if recipe.checkpoints.keep_best:
        known += [f"best/{each}" for each in _measured(last)]
        others = (*others, "best/step")
    found = any(name.startswith(f"{each}/") for each in known)
    if name not in others and not found:
        raise unknown(name, [f"{each}/..." for each in known], where, file, "metric")


def _measured(recipe: Recipe, of_training: bool = False) -> list[str]:
    found = [f"{kind}/{name}" for kind, name, _ in recipe.each_evaluator()]
    return found + [f"train/{term}" for term in recipe.objectives if of_training]

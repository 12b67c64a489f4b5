"""Runs the evaluators of a recipe during and after training."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from mmjax import evaluators
from mmjax.data import SourceError, inputs
from mmjax.errors import ConfigError
from mmjax.evaluators import EvalData, EvaluationError, Evaluator, EvaluatorConfig, Opener, Task
from mmjax.recipe import Recipe
from mmjax.report.table import summary_table
from mmjax.system.embedder import Embedder
from mmjax.train import checks

logger = logging.getLogger("mmjax")


class Evaluation:
    """The evaluators of a recipe, ready to run on one state after another.

    Args:
      recipe: whole.
      mesh: of devices.
      folder: of the run, for evaluators that compare its states; None where there is none.
      stages: names of its stages up to this one, whose recipe it is.
    """

    def __init__(
        self,
        recipe: Recipe,
        mesh: jax.sharding.Mesh,
        folder: Path | None = None,
        stages: Sequence[str | None] = (None,),
    ):
        self._mesh, self._fatal = mesh, recipe.data.on_error == "fail"
        views = recipe.views_of_outputs(inputs.views(recipe.data))
        opener = Opener(views)
        self._tasks: dict[str, Task] = {}
        for kind, name, config in recipe.each_evaluator():
            where = f"evaluators.{kind}.{name}"
            opened = opener(config)
            data = opened.pop("source")
            for key, each in {"source": data, **opened}.items():
                checks.check_evaluator(where, config, key, each)
            evaluator = config.evaluator.build()
            if folder is not None:
                evaluator.of_run(folder, name, stages)
            count, least = len(data.source), evaluator.least_records
            if count < least:
                raise ConfigError(
                    f"'{where}.source' has {count} examples, and {kind} needs at least {least}: "
                    f"give it more, or set evaluators.{kind}={{}}"
                )
            _check_rows(where, config, evaluator, {"source": data, **opened})
            self._tasks[f"{kind}/{name}"] = Task(evaluator, data, opened)

    def __call__(self, model: Embedder) -> dict[str, float]:
        """`<type>/<name>/<metric>` -> value.

        Raises:
          SourceError: with data.on_error='fail', for an example that cannot be read.
        """
        with ExitStack() as stack:
            data = [each for task in self._tasks.values() for each in task.every]
            for each in data:
                stack.enter_context(each.shared())
            results = evaluators.run(model, self._tasks, self._mesh)
            unreadable = list(dict.fromkeys(text for each in data for text in each.unreadable()))
        if unreadable and self._fatal:
            raise SourceError(
                f"{len(unreadable)} examples of the evaluation cannot be read. {unreadable[0]} "
                "Fix them, or set data.on_error='skip' to leave them out."
            )
        return results

    def report(self, model: Embedder, folder: Path, summary: Mapping[str, float]) -> None:
        """Writes `report.html`, the page to look at, into the run's folder.

        Every process has to call this, since embedding is a joint computation; the first writes.
        """
        from mmjax.report import gather, looks, page  # to start faster: they bring matplotlib

        if self._tasks:
            name, task = next(iter(self._tasks.items()))
            pair, label = task.evaluator.pair, task.evaluator.classes_by
            name = name.partition("/")[2]
            gather.gather(model, task.data, folder, name=name, pair=pair, label=label)
        seen = {}
        for name, task in self._tasks.items():
            try:
                look = task.evaluator.look(model, task.data)
            except EvaluationError as error:  # what was drawn may be just what cannot be read
                logger.info(f"the page shows no examples of {name}: {error}")
                continue
            if look is not None:
                seen[name] = look
        looks.gather(seen, folder)
        if jax.process_index() == 0:
            page.write(folder, summary)

    def show(self, summary: Mapping[str, float], folder: Path) -> None:
        """Tells the final table."""
        logger.info(summary_table(summary, folder))


def _check_rows(
    where: str, config: EvaluatorConfig, evaluator: Evaluator, sources: Mapping[str, EvalData]
) -> None:
    """Checks that an evaluator will have something to measure, by reading as few records as do.

    Args:
      where: path of the evaluator in the recipe.
      config: of the evaluator.
      evaluator: the evaluator.
      sources: its data, by name.

    Raises:
      ConfigError: with the source that lacks something.
    """
    for key, data in sources.items():
        try:
            for _, modality in config.reads("view", key):
                data.check_readable(modality, evaluator.least_records if key == "source" else 1)
            if key == "source":
                evaluator.check(data)
        except (SourceError, EvaluationError) as error:
            raise ConfigError(f"'{where}.{key}': {error}") from error

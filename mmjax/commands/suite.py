"""A suite: many evaluators of many sets on one model, and one table.

A suite is a Python file with a function `get_suite(root)` that returns the section `evaluators` of
a recipe, `{type: {name: options and source}}`, for the sets that it finds under the folder `root`.
A dict `METRICS` in it may say by which metric a set is told, `{name: metric}`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmjax.errors import ConfigError
from mmjax.evaluators import EvaluatorTable, Model, Opener, Task, run
from mmjax.evaluators.base import EvaluatorConfig
from mmjax.recipe.load import in_file, module_of
from mmjax.schema.names import modality_of
from mmjax.text import columns

# The metric that a table shows of an evaluator; of several directions, their mean.
MAIN = {
    "zero_shot": "top_1",
    "retrieval": "R@1",
    "choice": "accuracy",
    "knn": "accuracy",
    "probe": "accuracy",
    "multilabel": "mAP",
    "selection": "jaccard",
}


class Result(NamedTuple):
    """What was measured of one set.

    Attributes:
      name: of the set.
      kind: of the evaluator.
      metric: that stands for it, and its value.
      examples: that were embedded of the set.
      seconds: that it took.
      metrics: all of them.
    """

    name: str
    kind: str
    metric: str
    value: float
    examples: int
    seconds: float
    metrics: Mapping[str, float]


class Suite(NamedTuple):
    """The evaluators of a suite, and the metrics that stand for its sets where it names some."""

    file: str
    evaluators: Mapping[str, Mapping[str, EvaluatorConfig]]
    metrics: Mapping[str, str]


def load(file: str, root: str) -> Suite:
    """Reads a suite.

    Args:
      file: the Python file.
      root: the folder of the sets, which `get_suite` gets.

    Raises:
      ConfigError: for a file that is none, a set that cannot be, or a suite that finds no set.
    """
    module = module_of(file)
    if not hasattr(module, "get_suite"):
        raise ConfigError(f"{file} has no function get_suite(root), so it is not a suite")
    try:
        section = module.get_suite(root)
    except ConfigError:
        raise
    except Exception as error:
        raise in_file(file, error) from error
    evaluators = EvaluatorTable().parse(section, "evaluators", file)
    names = [name for named in evaluators.values() for name in named]
    if not names:
        raise ConfigError(f"{file} finds no set under {root or 'the current folder'}")
    metrics = dict(getattr(module, "METRICS", {}))
    return Suite(file, evaluators, metrics)


def measure(model: Model, suite: Suite, views: Mapping[str, Any]) -> list[Result]:
    """Runs a suite, one set after the other.

    Args:
      model: whose towers fit the sets.
      suite: the suite.
      views: of the model, by name.

    Raises:
      ConfigError: before any set is embedded, for one that an evaluator cannot measure.
    """
    tasks: dict[tuple[str, str], Task] = {}
    opener = Opener(_views(suite, views))
    for kind, named in suite.evaluators.items():
        for name, config in named.items():
            opened = opener(config)
            task = Task(config.evaluator.build(), opened.pop("source"), opened)
            try:
                task.evaluator.check(task.data)
            except ValueError as error:
                raise ConfigError(f"{suite.file}: {name}: {error}") from error
            tasks[kind, name] = task
    results = []
    for (kind, name), task in tasks.items():
        begin = time.monotonic()
        try:
            found = run(model, {f"{kind}/{name}": task})
        except ValueError as error:
            raise ConfigError(f"{suite.file}: {name}: {error}") from error
        metrics = {each.removeprefix(f"{kind}/{name}/"): value for each, value in found.items()}
        metric, value = _main(suite, kind, name, metrics)
        seconds = time.monotonic() - begin
        results.append(Result(name, kind, metric, value, len(task.data.source), seconds, metrics))
    return results


def _views(suite: Suite, views: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the model, and of further fields that evaluators name, such as `text@wrong`."""
    asked = {
        name
        for named in suite.evaluators.values()
        for config in named.values()
        for _, name in config.reads("view")
    }
    further = {}
    for name in asked:
        if modality_of(name) in views:
            # A copy: a view reads the field of the name that it knows.
            further[name] = copy.copy(views[modality_of(name)])
            further[name].name = name
    return {**further, **views}


def _main(suite: Suite, kind: str, name: str, metrics: Mapping[str, float]) -> tuple[str, float]:
    """The metric of a set and its value: the mean over directions where there are several."""
    wanted = suite.metrics.get(name) or MAIN.get(kind) or next(iter(metrics))
    if wanted in metrics:
        return wanted, metrics[wanted]
    values = [value for each, value in metrics.items() if each.endswith(f"/{wanted}")]
    if values:
        return wanted, sum(values) / len(values)
    if name in suite.metrics:
        raise ConfigError(
            f"{suite.file}: METRICS names {wanted!r} of {name}, which has "
            f"{', '.join(sorted(metrics))}"
        )
    first = next(iter(metrics))
    return first, metrics[first]


def table(results: Sequence[Result]) -> str:
    """One line a set, and the mean over them."""
    rows = [["set", "metric", "value", "chance", "examples", "examples/s"]]
    for each in results:
        chance = each.metrics.get("chance")
        rows.append(
            [
                each.name,
                f"{each.kind} {each.metric}",
                f"{each.value:.4f}",
                "-" if chance is None else f"{chance:.4f}",
                f"{each.examples:,}",
                f"{each.examples / max(each.seconds, 1e-9):,.0f}",
            ]
        )
    mean = sum(each.value for each in results) / len(results)
    rows.append(["mean", f"of {len(results)} sets", f"{mean:.4f}", "", "", ""])
    return "\n".join(columns(rows))


def plain(results: Sequence[Result], model: str, suite: str) -> dict[str, Any]:
    """All numbers, for a file."""
    return {
        "model": model,
        "suite": Path(suite).name,
        "sets": {each.name: {**each._asdict(), "metrics": dict(each.metrics)} for each in results},
    }

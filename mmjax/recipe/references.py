"""Names in a recipe that mean another part of it, and numbers that can be no such numbers.

A mistake of these kinds would end a run late: an evaluator runs after the last step, and the checks
of a claim after the last run.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.recipe.stages import stage_configs

# Path of a number -> (the least it can be, what it has to be below).
BOUNDS = {
    "steps": (1, math.inf),
    "seed": (0, 2**32 - 1),
    "microbatches": (1, math.inf),
    "log_every": (0, math.inf),
    "evaluate_every": (0, math.inf),
    "data.batch_size": (1, math.inf),
    "data.workers": (0, math.inf),
    "data.prefetch": (1, math.inf),
    "model.ema": (0, 1),
    "pairwise.tile": (1, math.inf),
    "optimizer.learning_rate": (0, math.inf),
    "optimizer.b1": (0, 1),
    "optimizer.b2": (0, 1),
    "optimizer.eps": (0, math.inf),
    "optimizer.weight_decay": (0, math.inf),
    "optimizer.warmup_steps": (0, math.inf),
    "optimizer.clip_norm": (0, math.inf),
    "mesh.fsdp_min_size": (0, math.inf),
    "checkpoints.every": (0, math.inf),
    "checkpoints.keep_last": (1, math.inf),
    "checkpoints.keep_best": (0, math.inf),
}

# Options of terms, evaluators and others that name what they read.
_READS = (
    "pairs",
    "pair",
    "modalities",
    "modality",
    "text",
    "views",
    "query",
    "answer",
    "anchor",
    "others",
    "conditions",
    "first",
    "second",
)

# What a summary holds beside the metrics of evaluators, and those of terms (`train/<term>/...`).
_OF_EVERY_RUN = (
    "seconds",
    "step",
    "train/loss",
    "train/learning_rate",
    "train/gradient_norm",
    "train/parameter_norm",
)


def check_references(config: Mapping[str, Any], file: str) -> None:
    """Checks a completed config for names of parts that are not there, and for numbers.

    Args:
      config: plain, with all defaults.
      file: the recipe's file, for messages.

    Raises:
      ConfigError: with the key, the name and the nearest valid one.
    """
    for path, (low, high) in BOUNDS.items():
        value: Any = config
        for key in path.split("."):
            value = value[key]
        if value is not None and not low <= value < high:
            below = "" if high == math.inf else f" and below {high}"
            raise ConfigError(f"{file}: {path!r} should be at least {low}{below}, but is {value!r}")

    views, towers = config["data"]["views"], config["model"]["towers"]
    for name in towers:
        if not any(view.partition("@")[0] == name for view in views):
            raise ConfigError(
                f"{file}: 'model.towers.{name}' gets no data: give 'data.views' a view {name!r} "
                "or take the tower away"
            )
    readers = {f"objectives.{term}": spec for term, spec in config["objectives"].items()}
    readers |= {key: config[key] for key in ("teacher", "queue") if config[key] is not None}
    for where, spec in readers.items():
        for path, name in _modalities(spec, where):
            if name.partition("@")[0] not in towers or name not in views:
                raise unknown(name, _with_tower(views, towers), path, file, "view")
    for kind, named in config["evaluators"].items():
        for evaluator, spec in named.items():
            for path, name in _modalities(spec, f"evaluators.{kind}.{evaluator}"):
                if name not in towers or name not in views:
                    raise unknown(
                        name, [view for view in views if view in towers], path, file, "modality"
                    )

    section = config["checkpoints"]
    if section["keep_best"] and section["metric"] is None:
        raise ConfigError(
            f"{file}: 'checkpoints.keep_best' is {section['keep_best']}, but the best by what? "
            "Set 'checkpoints.metric' to the name of an evaluation metric"
        )
    if section["metric"] is not None:
        _check_metric(section["metric"], "checkpoints.metric", config, file)
    if config["claim"] is not None:
        named = {"claim.metrics": config["claim"]["metrics"]}
        for i, each in enumerate(config["claim"]["checks"]):
            named[f"claim.checks[{i}].metric"] = (each["metric"],)
        for where, names in named.items():
            for name in names:
                _check_metric(name, where, config, file, of_training=True)


def _modalities(spec: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """(path of the key, name) for each modality that a term or an evaluator asks for."""
    for key in _READS:
        for name in _strings(spec.get(key, ())):
            yield f"{where}.{key}", name


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _strings(each)


def _with_tower(views: Iterable[str], towers: Mapping[str, Any]) -> list[str]:
    return [view for view in views if view.partition("@")[0] in towers]


def _check_metric(
    name: str, where: str, config: Mapping[str, Any], file: str, of_training: bool = False
) -> None:
    """Only the evaluator or the term can be known here; what it measures is its own."""
    known, others = _measured(config, of_training), _OF_EVERY_RUN if of_training else ()
    for own, stage in stage_configs(config)[:-1]:  # a last stage's metrics are those of the run
        known += [f"{own['name']}/{each}" for each in _measured(stage, of_training)]
    if config["checkpoints"]["keep_best"]:
        known += [f"best/{each}" for each in _measured(config)]
        others = (*others, "best/step")
    found = any(name.startswith(f"{each}/") for each in known)
    if name not in others and not found:
        raise unknown(name, [f"{each}/..." for each in known], where, file, "metric")


def _measured(config: Mapping[str, Any], of_training: bool = False) -> list[str]:
    found = [f"{kind}/{each}" for kind, named in config["evaluators"].items() for each in named]
    return found + [f"train/{term}" for term in config["objectives"] if of_training]

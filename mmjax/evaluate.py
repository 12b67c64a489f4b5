"""Runs a recipe's evaluators on a saved run.

    python -m mmjax.evaluate --workdir=runs/clip-... [--checkpoint=latest|previous|best|STEP]

Writes `evaluation-<step>.json` and a fresh `report.html` into the run's folder. The evaluators of
another recipe are run by

    python -m mmjax.evaluate --workdir=runs/clip-... --config=configs/cased.py

whose towers and steps do not matter; its numbers go into `evaluation-<step>-<recipe>.json`. On a
folder of pretrained weights they are run by a recipe of no steps: `docs/recipes.md`.

    python -m mmjax.evaluate --model=weights/clip --suite=SUITE.py --sets=sets

measures any model that `mmjax.load` takes on many sets, prints one table and writes all numbers as
JSON to `--out` (`docs/suites.md`).
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import cli
from mmjax.errors import ConfigError
from mmjax.files import write_atomically

# Other commands have flags of these names, too; one process may import several of them.
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run.", allow_override=True)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "latest, previous, best, or a step.", allow_override=True
)
MODEL = flags.DEFINE_string(
    "model", None, "With --suite: a run, an export, weights, or hf://owner/name.",
    allow_override=True,
)  # fmt: skip
SUITE = flags.DEFINE_string(
    "suite", None, "A Python file with a function get_suite(root).", allow_override=True
)
SETS = flags.DEFINE_string("sets", None, "With --suite: the folder of its sets.")
OUT = flags.DEFINE_string(
    "out", None, "With --suite: the file for all numbers.", allow_override=True
)


def main(path: str | None, overrides: list[str]) -> None:
    """Evaluates one checkpoint of a run."""
    # Here, so that --help does not wait for jax.
    from mmjax import places
    from mmjax import recipe as recipe_lib
    from mmjax.parallel.compiler import keep_programs
    from mmjax.train.evaluation import Evaluation
    from mmjax.train.metrics import log_to
    from mmjax.train.runs import open_run

    if SUITE.value is not None:
        if path is not None or overrides or WORKDIR.value is not None:
            raise ConfigError("--suite measures --model, and takes neither --config nor --workdir")
        run_suite(cli.needed(MODEL), SUITE.value)
        return
    for flag in (MODEL, SETS, OUT):
        if flag.value is not None:
            raise ConfigError(f"--{flag.name} needs --suite; a run is --workdir=runs/...")
    if path is None and overrides:
        raise ConfigError(
            "a run is evaluated by the config in its folder, of which nothing is changed; give "
            "--config=RECIPE for the evaluators of another recipe"
        )
    if WORKDIR.value is None:
        raise ConfigError("which run? Give --workdir=runs/...")
    keep_programs()
    folder = places.here(WORKDIR.value)
    run = open_run(folder, CHECKPOINT.value)
    recipe, name = run.recipe, f"evaluation-{run.step}"
    if path is not None:
        given = recipe_lib.load(path, overrides)
        recipe = dataclasses.replace(recipe, evaluators=given.evaluators)
        recipe_lib.check_references(recipe, path)
        name += f"-{given.recipe}"
    log_to(folder)
    evaluation = Evaluation(recipe, run.mesh, folder, run.stages)
    metrics = {**evaluation(run.model), "step": run.step}
    if path is None:  # the page is of the run and its own evaluators
        evaluation.report(run.model, folder, metrics)
    write_atomically(folder / f"{name}.json", json.dumps(metrics, indent=2) + "\n")
    evaluation.show(metrics, folder)
    places.save(folder)


def run_suite(given: str, file: str) -> None:
    """Measures a model on a suite."""
    from mmjax import api
    from mmjax.commands import suite as suite_lib
    from mmjax.parallel.compiler import keep_programs

    keep_programs()
    suite = suite_lib.load(file, SETS.value or "")
    model: Any = api.load(given, checkpoint=CHECKPOINT.value)
    results = suite_lib.measure(model, suite, model.bundle.views)
    cli.say(suite_lib.table(results))
    if OUT.value is not None:
        text = json.dumps(suite_lib.plain(results, given, file), indent=2) + "\n"
        Path(OUT.value).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(OUT.value), text)


if __name__ == "__main__":
    cli.run(main)

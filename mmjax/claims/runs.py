"""Runs every arm and seed of an experiment, through the same trainer as everything."""

import json
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from absl import logging as absl_logging
from tqdm import tqdm

from mmjax import recipe as recipe_lib
from mmjax.claims.find import Experiment, check_metrics
from mmjax.claims.judge import judge
from mmjax.claims.tables import table
from mmjax.errors import unknown
from mmjax.recipe import Recipe


def run_claim(experiment: Experiment, out: Path, jobs: int = 1) -> dict[str, Any]:
    """Runs every arm and seed of a claim and judges it.

    Args:
      experiment: as `find` gives it.
      out: folder for results and runs.
      jobs: runs at once.

    Returns:
      What is written to `<out>/<name>.json`: the statement, `shown`, every check with its numbers,
      every metric by arm and seed, and the seconds that it took, on the clock, with `jobs` runs at
      once. A run that an earlier command has finished counts with its own seconds divided by
      `jobs`.
    """
    claim, name = experiment.claim, experiment.name
    # All of them before the first run, so that a mistake in the last arm does not wait for it.
    recipes = {
        (arm, seed): experiment.recipe_of(arm, seed) for seed in claim.seeds for arm in claim.arms
    }
    for arm in claim.arms:
        check_metrics(experiment, arm, recipes[arm, claim.seeds[0]])
    begin, earlier, found = time.monotonic(), 0.0, {}
    # A bar on a terminal, lines elsewhere.
    bar = tqdm(total=len(recipes), desc=name, unit="run", dynamic_ncols=True, disable=None)
    if bar.disable:
        print(f"{name}: {len(recipes)} runs", flush=True)
    with bar, closing(_results(recipes, out, out / "runs" / name, jobs)) as results:
        for (arm, seed), metrics, made in results:
            found[arm, seed] = metrics
            earlier += 0.0 if made else metrics["seconds"] / jobs
            bar.set_postfix_str(f"{arm}, seed {seed}", refresh=False)
            bar.update()
            if bar.disable:
                done = f"{name}: {len(found)} of {len(recipes)} runs"
                print(f"{done} ({arm}, seed {seed})", flush=True)
            for metric in experiment.needed(arm):
                if metric not in metrics:
                    where = f"{experiment.variant}.metrics"
                    raise unknown(metric, metrics, where, experiment.file, "metric")
    seconds = time.monotonic() - begin + earlier
    by_arm = {arm: [found[arm, seed] for seed in claim.seeds] for arm in claim.arms}
    checks = [judge(check, by_arm) for check in claim.checks]
    verdict = {
        "recipe": name,
        "paper": next(iter(recipes.values())).paper,
        "statement": claim.statement,
        "paper_numbers": claim.paper_numbers,
        "shown": all(check["holds"] for check in checks),
        "checks": checks,
        "seeds": list(claim.seeds),
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "arms": by_arm,
    }
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(verdict, indent=2, ensure_ascii=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    print(table(verdict, claim.metrics))
    return verdict


def _results(
    recipes: Mapping[tuple[str, int], Recipe], out: Path, folder: Path, jobs: int
) -> Generator[tuple[tuple[str, int], dict[str, float], bool]]:
    """((arm, seed), final metrics, whether it was made just now) of every run, as they finish."""
    todo = {}
    for run, recipe in recipes.items():
        path = folder / f"{run[0]}-seed{run[1]}"
        metrics = _finished(recipe, path)
        if metrics is None:
            todo[run] = (recipe.plain(), path, out)
        else:
            yield run, metrics, False
    jobs = min(jobs, len(todo))
    if jobs <= 1:
        for run, task in todo.items():
            yield run, _train(*task), True
        return
    from mmjax.train.workers import Workers

    with Workers(jobs, _train) as workers:
        for run, metrics in workers.map(todo):
            yield run, metrics, True


def _finished(recipe: Recipe, folder: Path) -> dict[str, float] | None:
    """The final metrics of a run that is finished; one of another config is removed."""
    finished, stored = folder / "summary.json", folder / "config.json"
    if stored.is_file():
        if not recipe_lib.same(stored, recipe):
            shutil.rmtree(folder)  # of an older version of the recipe
        elif finished.is_file():
            metrics: dict[str, float] = json.loads(finished.read_text(encoding="utf-8"))
            return metrics
    return None


def _train(keys: Mapping[str, Any], folder: Path, out: Path) -> dict[str, float]:
    """Makes a run, in whichever process, of a recipe's plain keys."""
    from mmjax.train import trainer

    absl_logging.set_verbosity(absl_logging.ERROR)
    _share_programs(out / "compiled")
    return trainer.train(recipe_lib.complete(keys, "the claim"), folder, quiet=True)


def _share_programs(folder: Path) -> None:
    """Keeps compiled programs in a folder, unless the environment names one.

    The seeds of an arm differ in what they compute with, not in what they compute, and compiling a
    small model takes as long as training it.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

"""Runs the arms of an experiment over seeds, through the same trainer as everything."""

import contextlib
import json
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from absl import logging as absl_logging
from tqdm import tqdm

from mmjax import recipe as recipe_lib
from mmjax.claims import provenance, tuning
from mmjax.claims import stages as stages_lib
from mmjax.claims.find import Experiment, check_metrics
from mmjax.claims.judge import verdict
from mmjax.claims.tables import curve, table
from mmjax.errors import ConfigError, unknown
from mmjax.files import DamagedFile, write_atomically, writing
from mmjax.parallel.compiler import keep_programs
from mmjax.recipe import Recipe
from mmjax.train import trainer
from mmjax.weights.files import Folder, WeightsError

K = TypeVar("K")
Run = tuple[str, str, int]  # arm, setting in words where several are tried, seed
# Of a run that diverged, which only a trial of tuning may.
DIVERGED = "diverged"


def run_claim(
    experiment: Experiment, out: Path, jobs: int = 1, seeds: Sequence[int] | None = None
) -> dict[str, Any]:
    """Runs every arm and seed of a claim, each at its own chosen setting, and judges it.

    Args:
      experiment: as `find` gives it.
      out: folder for results and runs.
      jobs: runs at once.
      seeds: in place of the claim's own.

    Returns:
      What is written to `<out>/<name>.json`: the statement, the verdict, every check with its
      numbers, every metric by arm and seed, what all this is of, and the seconds that it took, on
      the clock, with `jobs` runs at once. A run that an earlier command has finished counts with
      its own seconds divided by `jobs`.
    """
    claim, name = experiment.claim, experiment.name
    seeds = claim.seeds if seeds is None else tuple(seeds)
    stored = tuning.read(experiment, out)
    reasons = provenance.untuned(experiment, stored)
    if reasons:
        raise ConfigError(
            f"{reasons[0]}. Run `python -m mmjax.claims {experiment.word} --tune` again"
        )
    chosen = tuning.choices(experiment, stored)
    seen = {*stored["seeds"]} & {*seeds} if stored else None
    if seen:
        raise ConfigError(f"seeds {sorted(seen)} were used to tune {experiment.word}: give others")
    # All of them before the first run, so that a mistake in the last arm does not wait for it.
    recipes = {
        (arm, "", seed): experiment.recipe_of(arm, seed, chosen[arm])
        for seed in seeds
        for arm in claim.arms
    }
    needed = {arm: experiment.needed(arm) for arm in claim.arms}
    for arm, names in needed.items():
        check_metrics(experiment, arm, recipes[arm, "", seeds[0]], names)
    found, seconds = _all(experiment, recipes, needed, out, jobs)
    by_arm = {arm: [found[arm, "", seed] for seed in seeds] for arm in claim.arms}
    result = {
        "recipe": name,
        "paper": next(iter(recipes.values())).paper,
        "claim": claim.paper,
        "statement": claim.statement,
        "paper_numbers": claim.paper_numbers,
        **verdict(claim, by_arm),
        "seeds": list(seeds),
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "settings": chosen,
        "arms": by_arm,
        "of": provenance.of(experiment, chosen, claim.seeds[0]),
    }
    _write(out / f"{name}.json", result)
    print(table(result, claim.metrics))
    return result


def tune(experiment: Experiment, out: Path, jobs: int = 1) -> dict[str, Any]:
    """Tries every setting of every arm and chooses.

    Args:
      experiment: as `find` gives it.
      out: folder for results and runs.
      jobs: runs at once.

    Returns:
      What is written to `<out>/tuned/<name>.json`: by arm what `tuning.choose` gives, what the
      choice was made by, what all this is of, and the seconds that it took.

    Raises:
      ConfigError: where there is nothing to choose.
    """
    claim, name = experiment.claim, experiment.name
    arms = {arm: each for arm, each in claim.arms.items() if each.grid}
    if claim.tuning is None or not arms:
        raise ConfigError(
            f"{experiment.file}: no arm of {experiment.word} has a grid to choose from"
        )
    recipes = {
        (arm, tuning.label(setting), seed): experiment.recipe_of(arm, seed, setting, tuning=True)
        for seed in claim.tuning.seeds
        for arm, each in arms.items()
        for setting in each.settings()
    }
    needed = {arm: experiment.to_tune(arm) for arm in arms}
    for arm, setting, seed in recipes:
        check_metrics(experiment, arm, recipes[arm, setting, seed], needed[arm])
    found, seconds = _all(experiment, recipes, needed, out, jobs, may_diverge=True)
    chosen = {
        arm: tuning.choose(
            claim,
            each,
            [
                [
                    {} if DIVERGED in metrics else metrics
                    for seed in claim.tuning.seeds
                    for metrics in (found[arm, tuning.label(setting), seed],)
                ]
                for setting in each.settings()
            ],
        )
        for arm, each in arms.items()
    }
    result = {
        "recipe": name,
        "metric": claim.tuning.metric,
        "mode": claim.tuning.mode,
        "seeds": list(claim.tuning.seeds),
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "arms": chosen,
        "of": provenance.of_tuning(experiment),
    }
    _write(out / "tuned" / f"{name}.json", result)
    print(curve(result))
    return result


def trial(experiment: Experiment, out: Path, jobs: int = 1) -> None:
    """Trains every arm for a few steps with one seed, at the first setting of its grid.

    It shows whether all arms train and measure what they have to; nothing is judged or kept.
    """
    claim, seed = experiment.claim, (experiment.claim.tuning or experiment.claim).seeds[0]
    recipes, needed = {}, {}
    for arm, each in claim.arms.items():
        setting = claim.arms[each.like or arm].settings()[0]
        needed[arm] = [*experiment.needed(arm), *experiment.to_tune(arm)]
        for tuned in (False, True) if claim.tuning else (False,):
            run = (arm, "tuning" if tuned else "", seed)
            recipes[run] = experiment.recipe_of(arm, seed, setting, tuning=tuned, trial=True)
        check_metrics(experiment, arm, recipes[arm, "", seed], needed[arm])
    of_tuning = {arm: experiment.to_tune(arm) for arm in claim.arms}
    _, seconds = _all(experiment, recipes, {**needed, "tuning": of_tuning}, out / "trial", jobs)
    print(f"{experiment.name}: every arm trains and measures, {seconds:.0f} s")


def _all(
    experiment: Experiment,
    recipes: Mapping[Run, Recipe],
    needed: Mapping[str, Any],
    out: Path,
    jobs: int,
    may_diverge: bool = False,
) -> tuple[dict[Run, dict[str, float]], float]:
    """The metrics of every run, and the seconds that they took."""
    name = experiment.name
    begin, earlier, found = time.monotonic(), 0.0, {}
    # A bar on a terminal, lines elsewhere.
    bar = tqdm(total=len(recipes), desc=name, unit="run", dynamic_ncols=True, disable=None)
    if bar.disable:
        print(f"{name}: {len(recipes)} runs", flush=True)
    folder = out / "runs" / name
    with bar, contextlib.closing(_results(recipes, out, folder, jobs, may_diverge)) as results:
        for run, metrics, made in results:
            found[run] = metrics
            earlier += 0.0 if made else metrics.get("seconds", 0.0) / jobs
            bar.set_postfix_str(_said(run), refresh=False)
            bar.update()
            if bar.disable:
                print(f"{name}: {len(found)} of {len(recipes)} runs ({_said(run)})", flush=True)
            asked = needed["tuning"] if run[1] == "tuning" else needed
            for metric in asked[run[0]]:
                if metric not in metrics and DIVERGED not in metrics:
                    where = f"{experiment.variant}.metrics"
                    raise unknown(metric, metrics, where, experiment.file, "metric")
    return found, time.monotonic() - begin + earlier


def _said(run: Run) -> str:
    arm, setting, seed = run
    return f"{arm}, {setting}, seed {seed}" if setting else f"{arm}, seed {seed}"


def _write(file: Path, result: Mapping[str, Any]) -> None:
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _results(
    recipes: Mapping[Run, Recipe], out: Path, folder: Path, jobs: int, may_diverge: bool
) -> Generator[tuple[Run, dict[str, float], bool]]:
    """(run, final metrics, whether it was made just now) of every run, as they finish."""
    todo, paths = {}, {}
    for run, recipe in recipes.items():
        arm, setting, seed = run
        path = folder / "-".join(part for part in (arm, setting, f"seed{seed}") if part)
        metrics = _finished(recipe, path)
        if metrics is None:
            todo[run], paths[run] = recipe, path
        else:
            yield run, metrics, False
    begun = stages_lib.shared(todo, folder)
    first = {path: (recipe.plain(), path, out, may_diverge, None)
             for recipe, path in begun.values() if _finished(recipe, path) is None}  # fmt: skip
    for _ in _made(first, jobs):
        pass
    tasks = {
        run: (recipe.plain(), paths[run], out, may_diverge, begun[run][1] if run in begun else None)
        for run, recipe in todo.items()
    }
    for run, metrics in _made(tasks, jobs):
        yield run, metrics, True


def _made(tasks: Mapping[K, tuple[Any, ...]], jobs: int) -> Generator[tuple[K, dict[str, float]]]:
    """(key, final metrics) of the runs that `_train` makes of its arguments, as they finish."""
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        for key, task in tasks.items():
            yield key, _train(*task)
        return
    from mmjax.train.workers import Workers

    with Workers(jobs, _train) as workers:
        yield from workers.map(tasks)


def _finished(recipe: Recipe, folder: Path) -> dict[str, float] | None:
    """The final metrics of a finished run; a run of another config, or damaged, is removed."""
    finished, stored = folder / "summary.json", folder / "config.json"
    if stored.is_file():
        with contextlib.suppress(DamagedFile, WeightsError):  # it is made again
            if recipe_lib.same(stored, recipe):
                return Folder(folder).json(finished.name) if finished.is_file() else None
        # Of an older version of the recipe, or damaged. Renamed first: what a killed command had
        # half removed would be a run without its config.
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(folder.rename(old))
    return None


def _train(
    keys: Mapping[str, Any], folder: Path, out: Path, may_diverge: bool, first: Path | None
) -> dict[str, float]:
    """Makes a run, in whichever process, of a recipe's plain keys.

    `first` is the folder of a run of its first stage alone, from whose end it goes on.
    """
    absl_logging.set_verbosity(absl_logging.ERROR)
    # The seeds of an arm differ in what they compute with, not in what they compute, and compiling
    # a small model takes as long as training it.
    keep_programs(out / "compiled")
    recipe = recipe_lib.complete(keys, "the claim")
    if first is not None:
        stages_lib.go_on(recipe, folder, first)
    try:
        return trainer.train(recipe, folder, quiet=True)
    except (trainer.NonFiniteLoss, trainer.ZeroEmbeddings):
        if not may_diverge:
            raise
        return {DIVERGED: 1.0}

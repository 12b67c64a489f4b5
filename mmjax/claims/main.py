"""The command `python -m mmjax.claims`: which experiments, and how they end.

The verdict is written to `<out>/<recipe>.json`. A negative verdict is a result like a positive one:
the exit code is 0 for any, and 2 where a claim could not be tried. Runs that are finished are kept
under `<out>/runs` and not made again, so an interrupted command resumes; a run of a config that has
changed since is made again. On CPUs as many runs are made at once as there are CPUs (`--jobs`).
After several claims one table shows all.

`--tune` tries the grid of every arm and writes the choices to `<out>/tuned/<recipe>.json`, which
the claim then runs with. `--trial` trains every arm for a few steps, to see whether all is well.
`--stale` lists the claims whose records are not of them as they are, and why; `--all` tunes, where
that is stale, and runs those.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from absl import logging as absl_logging

from mmjax import cli
from mmjax.claims.find import Experiment, find, find_all
from mmjax.claims.provenance import untuned
from mmjax.claims.records import FOLDER, stale
from mmjax.claims.runs import run_claim, trial, tune
from mmjax.claims.tables import overview
from mmjax.claims.tuning import read as read_tuning
from mmjax.errors import ConfigError, exit_code
from mmjax.parallel.compiler import set_flags
from mmjax.recipe.find import packaged

# Other commands have flags of these names, too; one process may import several of them.
OUT = flags.DEFINE_string("out", "claims-out", "Folder for results and runs.", allow_override=True)
ALL = flags.DEFINE_bool(
    "all",
    False,
    "Run the claims in --configs whose records in --records are not of them as they are.",
    allow_override=True,
)
STALE = flags.DEFINE_bool("stale", False, "List these, and run nothing.", allow_override=True)
TUNE = flags.DEFINE_bool(
    "tune", False, "Choose the setting of every arm, and judge nothing.", allow_override=True
)
TRIAL = flags.DEFINE_bool(
    "trial", False, "Train every arm for a few steps, and judge nothing.", allow_override=True
)
SEEDS = flags.DEFINE_list(
    "seeds", None, "Seeds in place of those of the claims, such as 7,8,9.", allow_override=True
)
RECORDS = flags.DEFINE_string("records", FOLDER, "Folder of the records.", allow_override=True)
JOBS = flags.DEFINE_integer(
    "jobs",
    None,
    "Runs at once, each in a process with CPUs to itself. By default as many as there are CPUs, or "
    "one where jax computes on other devices, which runs cannot share.",
    lower_bound=1,
    allow_override=True,
)
CONFIGS = flags.DEFINE_string(
    "configs",
    None,
    "Folder of the recipes, with their experiments in its folder `claims`. By default `configs`, "
    "or where there is none the recipes of this package.",
    allow_override=True,
)


def recipes_folder() -> Path:
    """Where the recipes are."""
    here = Path("configs")
    if CONFIGS.value is not None or (here / "claims").is_dir():
        return Path(CONFIGS.value or here)
    return packaged()


def _jobs() -> int:
    """As many runs at once as there are CPUs, if those are what jax computes on."""
    import jax

    from mmjax.train import workers

    return len(workers.cpus()) if jax.default_backend() == "cpu" else 1


def _seeds() -> list[int] | None:
    if SEEDS.value is None:
        return None
    if not SEEDS.value or not all(seed.isdecimal() for seed in SEEDS.value):
        raise ConfigError("--seeds takes whole numbers with commas between, such as 7,8,9")
    found = [int(seed) for seed in SEEDS.value]
    if len({*found}) < len(found):
        raise ConfigError(f"--seeds has a number twice: {','.join(SEEDS.value)}")
    return found


def _named(argv: Sequence[str], folder: Path) -> list[Experiment]:
    """The experiments that the command is about."""
    if not (ALL.value or STALE.value) or argv[1:]:
        return [find(word, folder) for word in argv[1:]]
    return find_all(folder)


def main(argv: Sequence[str]) -> None:
    """Runs the named claims, or those that are stale, and tells the verdicts."""
    absl_logging.set_verbosity(absl_logging.ERROR)
    out, folder = Path(OUT.value), recipes_folder()
    try:
        experiments, seeds = _named(argv, folder), _seeds()
        if not experiments:
            raise ConfigError("which claim? Give a recipe's name, such as clip_uniform, or --all")
        if ALL.value or STALE.value:
            known, experiments = experiments, []
            for each in known:
                reasons = stale(each, Path(RECORDS.value))
                for reason in reasons:
                    print(f"{each.word}: {reason}", flush=True)
                experiments += [each] if reasons else []
        if STALE.value:
            sys.exit(1 if experiments else 0)
        set_flags()
        jobs = JOBS.value or _jobs()
        if TRIAL.value or TUNE.value:
            for each in experiments:
                (trial if TRIAL.value else tune)(each, out, jobs)
            return
        results = []
        for each in experiments:
            if ALL.value and untuned(each, read_tuning(each, out)):
                tune(each, out, jobs)
            results.append(run_claim(each, out, jobs, seeds))
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        cli.fail(error, max(code, 2))
    if len(results) > 1:
        print(f"\n{overview(results)}")

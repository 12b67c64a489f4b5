"""Runs the claim of a recipe: its arms over its seeds, through the same trainer as everything.

    python -m mmjax.claims clip_uniform         # variant `claim` of configs/clip_uniform.py
    python -m mmjax.claims clip_uniform:small   # any variant that has a claim
    python -m mmjax.claims --all

A claim is the section `claim` of a config (`mmjax.recipe.Claim`): arms, each some overrides of the
config, and checks, each an inequality between the metrics of two arms. The verdict is written to
`<out>/<recipe>.json`; the exit code is 1 when a claim is not shown, and 2 when it could not be
tried. Runs that are finished are kept under `<out>/runs` and not made again, so an interrupted
command goes on where it stopped; a run of a config that has changed since is made anew. On CPUs as
many runs go on at once as there are CPUs (`--jobs`). After several claims one table shows all.
"""

import json
import operator
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging
from tqdm import tqdm

from mmjax import cli
from mmjax import recipe as config_lib
from mmjax.errors import ConfigError
from mmjax.parallel.compiler import set_flags
from mmjax.report.claims import overview, table

# Other commands have flags of these names, too; one process may import several of them.
OUT = flags.DEFINE_string("out", "claims-out", "Folder for results and runs.", allow_override=True)
ALL = flags.DEFINE_bool(
    "all", False, "Run the claims of every recipe in --configs.", allow_override=True
)
JOBS = flags.DEFINE_integer(
    "jobs",
    None,
    "Runs at once, each in a process with CPUs to itself. By default as many as there are CPUs, or "
    "one where jax computes on other devices, which runs cannot share.",
    lower_bound=1,
    allow_override=True,
)
CONFIGS = flags.DEFINE_string("configs", "configs", "Folder of the recipes.", allow_override=True)

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def run_claim(file: str, out: Path, jobs: int = 1) -> dict:
    """Runs every arm and seed of one recipe's claim and judges it.

    Args:
      file: `configs/clip_uniform.py:claim`.
      out: folder for results and runs.
      jobs: runs at once.

    Returns:
      What is written to `<out>/<recipe>.json`: the statement, `shown`, every check with its
      numbers, every metric by arm and seed, and the seconds that it took, on the clock, with
      `jobs` runs at once. A run that an earlier command has finished counts with its own seconds
      divided by `jobs`.
    """
    config = config_lib.load(file)
    claim = config_lib.plain(config["claim"])
    if claim is None:
        raise ConfigError(f"{file} makes no claim: its config has no section 'claim'")
    name = (
        config["recipe"]
        if config["variant"] == "claim"
        else (f"{config['recipe']}-{config['variant']}")
    )
    # All of them before the first run, so that a mistake in the last arm does not wait for it.
    configs = {
        (arm, seed): config_lib.load(
            file,
            [f"{key}={seed}" for key in ("seed", *claim["seed_keys"])]
            + [*claim["arms"][arm], "claim=None"],
        )
        for seed in claim["seeds"]
        for arm in claim["arms"]
    }
    begin, earlier, found = time.monotonic(), 0.0, {}
    # A bar on a terminal, lines elsewhere.
    bar = tqdm(total=len(configs), desc=name, unit="run", dynamic_ncols=True, disable=None)
    if bar.disable:
        print(f"{name}: {len(configs)} runs", flush=True)
    with bar, closing(_results(configs, out, out / "runs" / name, jobs)) as results:
        for (arm, seed), metrics, made in results:
            found[arm, seed] = metrics
            earlier += 0.0 if made else metrics["seconds"] / jobs
            bar.set_postfix_str(f"{arm}, seed {seed}", refresh=False)
            bar.update()
            if bar.disable:
                done = f"{name}: {len(found)} of {len(configs)} runs"
                print(f"{done} ({arm}, seed {seed})", flush=True)
            for metric in _needed(claim, arm):
                if metric not in metrics:
                    raise config_lib.unknown(metric, metrics, "claim", file, "metric")
    seconds = time.monotonic() - begin + earlier
    results = {arm: [found[arm, seed] for seed in claim["seeds"]] for arm in claim["arms"]}
    checks = [judge(check, results) for check in claim["checks"]]
    verdict = {
        "recipe": name,
        "paper": config["paper"],
        "statement": claim["statement"],
        "paper_numbers": claim["paper_numbers"],
        "shown": all(check["holds"] for check in checks),
        "checks": checks,
        "seeds": list(claim["seeds"]),
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "arms": results,
    }
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(verdict, indent=2, ensure_ascii=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    print(table(verdict, claim["metrics"]))
    return verdict


def _needed(claim: Mapping, arm: str) -> list[str]:
    """The metrics that a run of an arm has to have.

    Those of its checks, and those that are shown: but for an arm with evaluators or stages of its
    own, on other data perhaps, which may do without the latter.
    """
    checks = [c["metric"] for c in claim["checks"] if arm in (c["arm"], c["baseline"])]
    keys = [override.partition("=")[0] for override in claim["arms"][arm]]
    own = any("evaluators" in key.split(".") or key == "stages" for key in keys)
    return checks if own else [*claim["metrics"], *checks]


def _results(
    configs: Mapping[tuple[str, int], Mapping], out: Path, folder: Path, jobs: int
) -> Iterator[tuple[tuple[str, int], dict[str, float], bool]]:
    """((arm, seed), final metrics, whether it was made just now) of every run, as they finish."""
    todo = {}
    for run, config in configs.items():
        path = folder / f"{run[0]}-seed{run[1]}"
        metrics = _finished(config, path)
        if metrics is None:
            todo[run] = (config_lib.plain(config), path, out)
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


def _finished(config: Mapping, folder: Path) -> dict[str, float] | None:
    """The final metrics of a run that is finished; one of another config is removed."""
    finished, stored = folder / "summary.json", folder / "config.json"
    if stored.is_file():
        if not config_lib.same(stored, config):
            shutil.rmtree(folder)  # of an older version of the recipe
        elif finished.is_file():
            return json.loads(finished.read_text(encoding="utf-8"))
    return None


def _train(config: Mapping, folder: Path, out: Path) -> dict[str, float]:
    """Makes a run, in whichever process."""
    from mmjax.train import trainer

    absl_logging.set_verbosity(absl_logging.ERROR)
    _share_programs(out / "compiled")
    return trainer.train(config, folder, quiet=True)


def judge(check: Mapping, results: Mapping[str, Sequence[Mapping[str, float]]]) -> dict:
    """Decides one check: `arm metric  compare  factor * baseline metric + offset`.

    Args:
      check: keys `metric`, `arm`, `compare`, `baseline` (an arm, or None for a bare `offset`),
        `factor`, `offset`, and `each_seed`: whether it has to hold in every seed rather than for
        the means over seeds.
      results: arm -> metrics of every seed.

    Returns:
      The check with `holds`, and `left` and `right`: both sides by seed, or of the means.
    """
    left = [metrics[check["metric"]] for metrics in results[check["arm"]]]
    if check["baseline"] is None:
        right = [check["offset"]] * len(left)
    else:
        right = [
            check["factor"] * metrics[check["metric"]] + check["offset"]
            for metrics in results[check["baseline"]]
        ]
    if not check["each_seed"]:
        left, right = [statistics.fmean(left)], [statistics.fmean(right)]
    compare = COMPARE[check["compare"]]
    holds = all(compare(a, b) for a, b in zip(left, right, strict=True))
    return {**check, "left": left, "right": right, "holds": holds}


def _share_programs(folder: Path) -> None:
    """Keeps compiled programs in a folder, unless the environment names one.

    The seeds of an arm differ in what they compute with, not in what they compute, and compiling a
    small model takes as long as training it.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _jobs() -> int:
    """As many runs at once as there are CPUs, if those are what jax computes on."""
    import jax

    from mmjax.train import workers

    return len(workers.cpus()) if jax.default_backend() == "cpu" else 1


def claimed(folder: Path) -> list[str]:
    """The recipes of a folder that make a claim, as `file:claim`."""
    files = []
    for file in sorted(folder.glob("*.py")):
        if file.stem in ("__init__", "base"):
            continue
        try:
            config_lib.load(f"{file}:claim")
        except config_lib.NoVariant:
            continue
        files.append(f"{file}:claim")
    return files


def main(argv: Sequence[str]) -> None:
    """Runs the named claims, or all, and tells the verdicts."""
    absl_logging.set_verbosity(absl_logging.ERROR)
    out, folder = Path(OUT.value), Path(CONFIGS.value)
    try:
        if ALL.value:
            files = claimed(folder)
        else:
            files = [
                str(folder / f"{name}.py") + ":" + (variant or "claim")
                for name, _, variant in (word.partition(":") for word in argv[1:])
            ]
        if not files:
            raise ConfigError("which claim? Give a recipe's name, such as clip_uniform, or --all")
        set_flags()
        jobs = JOBS.value or _jobs()
        verdicts = [run_claim(file, out, jobs) for file in files]
    except Exception as error:
        code = cli.exit_code(error)
        if code is None:
            raise
        # A claim that is not shown ends with 1, so what could not be tried has to be another.
        cli.fail(error, max(code, 2))
    if len(verdicts) > 1:
        print(f"\n{overview(verdicts)}")
    sys.exit(0 if all(verdict["shown"] for verdict in verdicts) else 1)


if __name__ == "__main__":
    app.run(main)

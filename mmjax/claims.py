"""Runs the claim of a recipe: its arms over its seeds, through the same trainer as everything.

    python -m mmjax.claims clip_uniform         # variant `claim` of configs/clip_uniform.py
    python -m mmjax.claims clip_uniform:small   # any variant that has a claim
    python -m mmjax.claims --all

A claim is the section `claim` of a config (`mmjax.config.Claim`): arms, each some overrides of the
config, and checks, each an inequality between the metrics of two arms. The verdict is written to
`<out>/<recipe>.json`; the exit code is 1 when a claim is not shown, and 2 when it could not be
tried. Runs that are finished are kept under `<out>/runs` and not made again, so an interrupted
command goes on where it stopped; a run of a config that has changed since is made anew. After
several claims one table shows all of them.
"""

import json
import logging
import operator
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from mmjax import cli
from mmjax import config as config_lib
from mmjax.config import ConfigError
from mmjax.parallel.compiler import set_flags

logger = logging.getLogger("mmjax")

# Other commands have flags of these names, too; one process may import several of them.
OUT = flags.DEFINE_string("out", "claims-out", "Folder for results and runs.", allow_override=True)
ALL = flags.DEFINE_bool(
    "all", False, "Run the claims of every recipe in --configs.", allow_override=True
)
CONFIGS = flags.DEFINE_string("configs", "configs", "Folder of the recipes.", allow_override=True)

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def run_claim(file: str, out: Path) -> dict:
    """Runs every arm and seed of one recipe's claim and judges it.

    Args:
      file: `configs/clip_uniform.py:claim`.
      out: folder for results and runs.

    Returns:
      What is written to `<out>/<recipe>.json`: the statement, `shown`, every check with its
      numbers, every metric by arm and seed, and the seconds that all runs took.
    """
    config = config_lib.load(file)
    claim = config_lib.plain(config["claim"])
    if claim is None:
        raise ConfigError(f"{file} makes no claim: its config has no section 'claim'")
    name = config["recipe"] if config["variant"] == "claim" else (
        f"{config['recipe']}-{config['variant']}"
    )  # fmt: skip
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
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in claim["arms"]}
    for number, ((arm, seed), config_of_run) in enumerate(configs.items(), 1):
        print(f"\r{name}: run {number} of {len(configs)} ({arm}, seed {seed}) ", end="", flush=True)
        metrics = _run(config_of_run, out / "runs" / name / f"{arm}-seed{seed}")
        for metric in _needed(claim, arm):
            if metric not in metrics:
                print()
                raise config_lib.unknown(metric, metrics, "claim", file, "metric")
        results[arm].append(metrics)
    print()
    checks = [judge(check, results) for check in claim["checks"]]
    verdict = {
        "recipe": name,
        "paper": config["paper"],
        "statement": claim["statement"],
        "paper_numbers": claim["paper_numbers"],
        "shown": all(check["holds"] for check in checks),
        "checks": checks,
        "seeds": list(claim["seeds"]),
        "seconds": round(sum(run["seconds"] for runs in results.values() for run in runs), 1),
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


def _run(config: Mapping, folder: Path) -> dict[str, float]:
    """The final metrics of a run, made or, where it is finished, read."""
    from mmjax.train import trainer

    finished, stored = folder / "summary.json", folder / "config.json"
    if stored.is_file():
        if not _same(stored, config):
            shutil.rmtree(folder)  # of an older version of the recipe
        elif finished.is_file():
            return json.loads(finished.read_text(encoding="utf-8"))
    return trainer.train(config, folder, quiet=True)


def _same(stored: Path, config: Mapping) -> bool:
    """Whether a stored config says the same; keys that are new since then have their defaults."""
    try:
        old = config_lib.complete(json.loads(stored.read_text(encoding="utf-8")), str(stored))
    except (ConfigError, ValueError):
        return False
    return config_lib.dump(old) == config_lib.dump(config)


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


def table(verdict: Mapping, metrics: Sequence[str]) -> str:
    """The verdict as text: a row for each arm (mean ± deviation over seeds), then the checks."""
    heads = [metric.split("/", 1)[-1] for metric in metrics]
    rows = [["arm", *heads]]
    for arm, seeds in verdict["arms"].items():
        cells = []
        for metric in metrics:
            values = [found[metric] for found in seeds if metric in found]
            cells.append(_spread(values) if values else "-")
        rows.append([arm, *cells])
    lines = _columns(rows)
    title = f"{verdict['recipe']}: {verdict['statement']}"
    lines = [title, f"({len(verdict['seeds'])} seeds; {verdict['paper']})", "", *lines, ""]
    for check in verdict["checks"]:
        mark = "holds " if check["holds"] else "FAILS "
        right = "" if check["baseline"] is None else f"{check['factor']:g} x {check['baseline']}"
        if check["offset"] or check["baseline"] is None:
            right += f" {check['offset']:+g}" if right else f"{check['offset']:g}"
        numbers = ", ".join(
            f"{a:.3f} {check['compare']} {b:.3f}"
            for a, b in zip(check["left"], check["right"], strict=True)
        )
        where = "in every seed" if check["each_seed"] else "in the mean"
        said = f"{check['arm']} {check['compare']} {right} {where}"
        lines.append(f"{mark} {check['metric']}: {said}: {numbers}")
    lines.append("")
    lines.append("SHOWN" if verdict["shown"] else "NOT SHOWN")
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of columns, the first with a rule under it."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def headline(checks: Sequence[Mapping], values: Callable[[str, str], Sequence[float]]) -> str:
    """`metric: baseline ± deviation -> recipe ± deviation` of the first check of two arms.

    Where no check compares two arms, it is the first check's arm alone.

    Args:
      checks: of a claim.
      values: arm, metric -> the values of all seeds.
    """
    if not checks:
        return ""
    check = min(checks, key=lambda check: check["baseline"] is None)
    arms = [arm for arm in (check["baseline"], check["arm"]) if arm]
    return f"{check['metric']}: " + " -> ".join(
        _spread(values(arm, check["metric"])) for arm in arms
    )


def _spread(values: Sequence[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {deviation:.3f}"


def overview(verdicts: Sequence[Mapping]) -> str:
    """All verdicts as one table: a row for each recipe."""
    rows = [["claim", "shown", "checks", "seconds", "baseline -> recipe"]]
    for verdict in verdicts:
        held = sum(check["holds"] for check in verdict["checks"])
        checks = f"{held} of {len(verdict['checks'])}"
        shown = "yes" if verdict["shown"] else "no"
        seconds = f"{verdict['seconds']:.0f}"
        arms = verdict["arms"]
        numbers = headline(
            verdict["checks"], lambda arm, metric, a=arms: [seed[metric] for seed in a[arm]]
        )
        rows.append([verdict["recipe"], shown, checks, seconds, numbers])
    return "\n".join(_columns(rows))


def _share_programs(folder: Path) -> None:
    """Keeps compiled programs in a folder, unless the environment names one.

    The seeds of an arm differ in what they compute with, not in what they compute, and compiling a
    small model takes as long as training it.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


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
        _share_programs(out / "compiled")
        verdicts = [run_claim(file, out) for file in files]
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

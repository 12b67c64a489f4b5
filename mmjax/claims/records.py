"""Records of claims that were run: `docs/claims/<recipe>.json`, {claim: its verdict}.

Of every arm only the metrics that the claim shows are kept, for every seed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.claims.find import Experiment, find_all

_FIELDS = ("statement", "shown", "paper_numbers", "seeds", "seconds", "jobs", "checks")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """{recipe: {claim: its record}} of a folder."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*.json"))
    }


def write(folder: Path, recipe: str, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the records of a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(records.items())), indent=1, ensure_ascii=False) + "\n"
    (folder / f"{recipe}.json").write_text(text, encoding="utf-8")


def collect(out: Path, folder: Path, recipes: Path) -> list[str]:
    """Takes the verdicts that `mmjax.claims` wrote to `out` into the records of `folder`.

    Records of claims without a new verdict stay as they are.

    Args:
      out: of the command's `--out`.
      folder: of the records.
      recipes: folder of the recipes.

    Returns:
      The claims that were taken, as the command line names them.
    """
    kept, taken = read(folder), []
    for experiment in find_all(recipes):
        file = out / f"{experiment.name}.json"
        if not file.is_file():
            continue
        verdict = json.loads(file.read_text(encoding="utf-8"))
        records = kept.setdefault(experiment.recipe, {})
        records[experiment.variant] = _record(experiment, verdict)
        write(folder, experiment.recipe, records)
        taken.append(experiment.word)
    return taken


def _record(experiment: Experiment, verdict: Mapping[str, Any]) -> dict[str, Any]:
    claim = experiment.claim
    shown = {*claim.metrics, *(check.metric for check in claim.checks)}
    arms = {
        arm: {
            metric: [round(seed[metric], 5) for seed in seeds]
            for metric in sorted(shown & set(seeds[0]))
        }
        for arm, seeds in verdict["arms"].items()
    }
    return {**{key: verdict[key] for key in _FIELDS}, "arms": arms}


def fastest(records: Mapping[str, Mapping[str, Mapping[str, Any]]], count: int) -> list[str]:
    """The recipes whose claims were shown in the fewest seconds, the fastest first.

    Further claims are left out: data of some are not in the package.
    """
    own = {recipe: r["claim"] for recipe, r in records.items() if "claim" in r}
    timed = [(r["seconds"], name) for name, r in own.items() if r["shown"] and "seconds" in r]
    return [name for _, name in sorted(timed)[:count]]

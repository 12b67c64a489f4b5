"""Records of claims that were run: `docs/claims/<recipe>.json`, {claim: its verdict}.

Of every arm only the metrics that the claim shows or compares are kept, for every seed. What a
record is of, the configs of its arms above all, is in `docs/claims/of/<name>.json`.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.claims import provenance, tuning
from mmjax.claims.find import Experiment, find_all
from mmjax.claims.judge import verdict
from mmjax.errors import ConfigError
from mmjax.files import read_json, write_atomically
from mmjax.schema.values import plain

FOLDER = "docs/claims"
_FIELDS = (
    "claim", "statement", "verdict", "because", "paper_numbers", "seeds", "seconds", "jobs",
    "settings", "premises", "checks", "extras", "rankings", "controls",
)  # fmt: skip


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """{recipe: {claim: its record}} of a folder."""
    return {file.stem: read_json(file) for file in sorted(folder.glob("*.json"))}


def write(folder: Path, recipe: str, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the records of a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    _dump(folder / f"{recipe}.json", dict(sorted(records.items())))


def _dump(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def collect(out: Path, folder: Path, recipes: Path) -> list[str]:
    """Takes what `mmjax.claims` wrote to `out` into the records of `folder`.

    Records of claims without a new verdict stay as they are. Choices of tuning go to the recipes'
    folder.

    Args:
      out: of the command's `--out`.
      folder: of the records.
      recipes: folder of the recipes.

    Returns:
      The claims that were taken, as the command line names them.

    Raises:
      ConfigError: for a verdict over other seeds than the claim's.
    """
    kept, taken = read(folder), []
    for experiment in find_all(recipes):
        tuned = out / "tuned" / f"{experiment.name}.json"
        if tuned.is_file():
            target = tuning.file_of(experiment)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tuned, target)
        file = out / f"{experiment.name}.json"
        if not file.is_file():
            continue
        result = read_json(file)
        if result["seeds"] != list(experiment.claim.seeds):
            raise ConfigError(
                f"{file} is of seeds {result['seeds']}, and the record has to be of those of the "
                f"claim, {list(experiment.claim.seeds)}"
            )
        records = kept.setdefault(experiment.recipe, {})
        records[experiment.variant] = record(experiment, result)
        write(folder, experiment.recipe, records)
        _dump(of_file(folder, experiment), result["of"])
        taken.append(experiment.word)
    return taken


def of_file(folder: Path, experiment: Experiment) -> Path:
    """Where it is written what the record of an experiment is of."""
    return folder / "of" / f"{experiment.name}.json"


def record(experiment: Experiment, result: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a verdict."""
    arms = {
        arm: {
            metric: [round(seed[metric], 5) for seed in seeds]
            for metric in sorted(set(experiment.needed(arm)) & set(seeds[0]))
        }
        for arm, seeds in result["arms"].items()
    }
    # Judged as the code does now, which may be newer than the run.
    result = {**result, **verdict(experiment.claim, result["arms"])}
    return {**{key: result[key] for key in _FIELDS}, "arms": arms}


def stale(experiment: Experiment, folder: Path) -> list[str]:
    """Why the record of an experiment is not of the claim as it is, a sentence each; none if it is.

    Args:
      experiment: as `find` gives it.
      folder: of the records.
    """
    own, file = folder / f"{experiment.recipe}.json", of_file(folder, experiment)
    known = read_json(own) if own.is_file() else {}
    found, stored = known.get(experiment.variant), tuning.read(experiment)
    if found is None or not file.is_file():
        return ["it was not run"]
    said = provenance.untuned(experiment, stored)
    if said:
        return said
    chosen, claim = tuning.choices(experiment, stored), experiment.claim
    said = [
        f"{key} has changed"
        for key, now in (
            ("claim", claim.paper), ("statement", claim.statement),
            ("paper_numbers", claim.paper_numbers), ("seeds", list(claim.seeds)),
        )
        if found[key] != now
    ]  # fmt: skip
    said += [
        f"the setting of {arm!r} has changed"
        for arm in chosen
        if _json(found["settings"].get(arm)) != _json(chosen[arm])
    ]
    said += _judged_otherwise(experiment, found)
    now = provenance.of(experiment, chosen, claim.seeds[0])
    of = read_json(file)
    return said + provenance.differences(of, now)


def _judged_otherwise(experiment: Experiment, found: Mapping[str, Any]) -> list[str]:
    """Where the recorded numbers, judged as the claim is today, give something else."""
    claim = experiment.claim
    if list(found["arms"]) != list(claim.arms):
        return [f"arms: {list(found['arms'])} -> {list(claim.arms)}"]
    for arm in claim.arms:
        missing = set(experiment.needed(arm)) - set(found["arms"][arm])
        if missing:
            return [f"the record has no {sorted(missing)[0]} of arm {arm!r}"]
    results = {
        arm: [
            dict(zip(metrics, values, strict=True))
            for values in zip(*metrics.values(), strict=True)
        ]
        for arm, metrics in found["arms"].items()
    }
    now = verdict(claim, results)
    said = [] if now["verdict"] == found["verdict"] else [
        f"verdict: {found['verdict']} -> {now['verdict']}"
    ]  # fmt: skip
    for part in ("premises", "checks", "extras", "rankings"):  # earlier records have no rankings
        old, new = ([_question(check) for check in each.get(part, ())] for each in (found, now))
        if old != new:
            said.append(f"{part} have changed")
    controls = [[dict(c) for c in each["controls"]] for each in (found, now)]
    if _json(controls[0]) != _json(controls[1]):
        said.append("controls have changed")
    return said


# Of a judged check or ranking all but its numbers.
_ASKED = (
    "says", "metric", "against", "arm", "compare", "baseline", "factor", "offset", "arms", "least",
    "holds",
)  # fmt: skip


def _question(judged: Mapping[str, Any]) -> str:
    """A judged check or ranking without its numbers."""
    return _json({key: judged[key] for key in _ASKED if key in judged})


def _json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True)


def differing(out: Path, folder: Path, recipes: Path) -> tuple[list[str], list[str]]:
    """Compares the verdicts in `out` with the records.

    Returns:
      (the claims that both have, those of them whose verdicts differ, a sentence each).
    """
    kept = read(folder)
    compared, said = [], []
    for experiment in find_all(recipes):
        file = out / f"{experiment.name}.json"
        before = kept.get(experiment.recipe, {}).get(experiment.variant)
        if file.is_file() and before is not None:
            compared.append(experiment.word)
            now = read_json(file)["verdict"]
            if now != before["verdict"]:
                said.append(f"{experiment.word}: {now}, and {before['verdict']} in the record")
    return compared, said


def fastest(records: Mapping[str, Mapping[str, Mapping[str, Any]]], count: int) -> list[str]:
    """The recipes whose claims took the fewest seconds, the fastest first.

    Further claims are left out: data of some are not in the package.
    """
    own = {recipe: r["claim"] for recipe, r in records.items() if "claim" in r}
    timed = [(r["seconds"], name) for name, r in own.items() if "seconds" in r]
    return [name for _, name in sorted(timed)[:count]]

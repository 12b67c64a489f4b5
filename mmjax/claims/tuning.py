"""The setting of every arm: tried on seeds for nothing else, chosen, and stored.

What was chosen stands beside the experiments, in `claims/tuned/<name>.json` of the recipes' folder,
with the grid and the whole curve; `--tune` writes it anew.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmjax.claims.experiment import Arm, Claim
from mmjax.claims.find import Experiment
from mmjax.claims.judge import value
from mmjax.errors import ConfigError
from mmjax.files import read_json
from mmjax.schema.values import plain

Setting = Mapping[str, Any]  # keys of a grid -> value


def file_of(experiment: Experiment) -> Path:
    """Where the choices of an experiment are stored."""
    return experiment.folder / "claims" / "tuned" / f"{experiment.name}.json"


def choose(
    claim: Claim, arm: Arm, found: Sequence[Sequence[Mapping[str, float]]]
) -> dict[str, Any]:
    """The best setting of an arm.

    Args:
      claim: whose tuning says what is best.
      arm: with a grid.
      found: for every setting, in the order of `settings`, the metrics of every seed; a run that
        diverged has none.

    Returns:
      `trials`, each with its `setting` and the `values` by seed, None where it diverged; `choice`,
      of several that are equally good one away from the edges of the grid; `edge`, the keys of
      which the first or last of several values was chosen; and `ties`, how many were as good.

    Raises:
      ConfigError: when every run has diverged.
    """
    assert claim.tuning is not None
    tuning, tried = claim.tuning, arm.settings()
    values = [
        [value(metrics, tuning.metric) if metrics else None for metrics in seeds] for seeds in found
    ]
    trials = [
        {"setting": setting, "values": [None if v is None else round(v, 5) for v in each]}
        for setting, each in zip(tried, values, strict=True)
    ]
    return {"trials": trials, **_best(claim, arm, trials)}


def _best(claim: Claim, arm: Arm, trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`choice`, `edge` and `ties` of the trials of an arm."""
    assert claim.tuning is not None
    sign = 1.0 if claim.tuning.mode == "max" else -1.0
    means = [
        -math.inf if None in each["values"] else sign * float(np.mean(each["values"]))
        for each in trials
    ]
    if not math.isfinite(max(means)):
        raise ConfigError(f"every setting of {list(arm.grid)} diverges: give smaller values")
    ties = [i for i, mean in enumerate(means) if math.isclose(mean, max(means), abs_tol=1e-9)]
    edges = [_edges(arm, each["setting"]) for each in trials]
    # Where several are best, as where all find everything, the one that is safest to have chosen.
    best = min(ties, key=lambda i: len(edges[i]))
    return {"choice": trials[best]["setting"], "edge": edges[best], "ties": len(ties)}


def _edges(arm: Arm, setting: Setting) -> list[str]:
    """The keys of which a setting has the first or last of several values."""
    return [
        key
        for key, options in arm.grid.items()
        if len(options) > 1 and setting[key] in (options[0], options[-1])
    ]


def read(experiment: Experiment, out: Path | None = None) -> dict[str, Any] | None:
    """The stored tuning of an experiment: of `out`, where there is one, or of the recipes' folder.

    Raises:
      ConfigError: for a file that is none.
    """
    files = [file_of(experiment)]
    if out is not None:
        files.insert(0, out / "tuned" / f"{experiment.name}.json")
    for file in files:
        if file.is_file():
            found = read_json(file)
            try:
                return {**found, "arms": dict(found["arms"])}
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{file} is no record of a tuning: {error}") from error
    return None


def choices(experiment: Experiment, stored: Mapping[str, Any] | None) -> dict[str, Setting]:
    """The setting of every arm.

    Raises:
      ConfigError: where an arm has a grid that was not tried, or another one.
    """
    arms = experiment.claim.arms
    found: dict[str, Setting] = {}
    for name, arm in arms.items():
        of = arm.like if arm.like is not None else name
        if not arms[of].grid:
            found[name] = {}
            continue
        known = (stored or {}).get("arms", {}).get(of)
        tried = [_json(trial["setting"]) for trial in known["trials"]] if known else None
        if tried != [_json(setting) for setting in arms[of].settings()]:
            what = "was not tuned" if tried is None else "was tuned with another grid"
            raise ConfigError(
                f"{experiment.file}, arm {of!r}: {what}. Run `python -m mmjax.claims "
                f"{experiment.word} --tune` first"
            )
        best = _best(experiment.claim, arms[of], known["trials"])["choice"]
        if _json(best) != _json(known["choice"]):
            raise ConfigError(
                f"{experiment.file}, arm {of!r}: the stored choice is not the best of its trials. "
                f"Run `python -m mmjax.claims {experiment.word} --tune` again"
            )
        found[name] = experiment.taken(name, known["choice"])
    return found


def _json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True)


def label(setting: Setting) -> str:
    """A setting in a few words: `learning_rate 0.001, temperature 0.1`."""
    return ", ".join(
        f"{key.partition(',')[0].rpartition('.')[2]} {value}" for key, value in setting.items()
    )

"""Decides the checks of a claim by the metrics of its runs, and the claim by its checks."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from mmjax.claims.experiment import Check, Claim, Control, Metric, Ranking, names_of

REPRODUCED = "reproduced"
PARTLY = "partly"
CONTROL = "its control does it too"
NOT = "not reproduced"
NOT_TESTED = "not tested here"
VERDICTS = (REPRODUCED, PARTLY, CONTROL, NOT, NOT_TESTED)

# Metrics that are shares: none is above 1 or below 0.
_SHARE = re.compile(r"R@\d+|accuracy|top_\d+|\d+_shot(_f1)?")

Results = Mapping[str, Sequence[Mapping[str, float]]]  # arm -> metrics of every seed


def value(metrics: Mapping[str, float], metric: Metric) -> float:
    """A metric of one run, or the mean of several."""
    return float(np.mean([metrics[name] for name in names_of(metric)]))


def interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The confidence interval of a mean by Student's t; unbounded for a single value."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return -math.inf, math.inf
    half = stats.t.ppf((1 + level) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return mean - float(half), mean + float(half)


def judge(check: Check, results: Results) -> dict[str, Any]:
    """Decides one check.

    Args:
      check: the inequality.
      results: arm -> metrics of every seed, the seeds in one order.

    Returns:
      The check with `holds` and `strict`; `left` and `bound`, the means of both sides;
      `difference`, the mean of the arm minus the baseline (times the factor, where the arm may be
      worse), its 95 % interval `low` to `high`, and `contrary`, the number that the interval has to
      exclude; and `possible`, whether any value could pass the bound.
    """
    own, other = check.metrics
    left = np.array([value(metrics, own) for metrics in results[check.arm]])
    right = np.array([value(metrics, other) for metrics in results[check.baseline]])
    bound = check.factor * float(right.mean()) + check.offset
    # What is better has to be better than the baseline itself, by the interval; the margin is for
    # the mean.
    factor, contrary = (1.0, 0.0) if check.strict else (check.factor, check.offset)
    differences = left - factor * right
    low, high = interval(differences)
    more = check.compare == ">="
    passes = left.mean() >= bound if more else left.mean() <= bound
    excluded = low > contrary if more else high < contrary
    return {
        **dataclasses.asdict(check),
        "holds": bool(passes and excluded),
        "left": float(left.mean()),
        "bound": bound,
        "difference": float(differences.mean()),
        "low": low,
        "high": high,
        "contrary": contrary,
        "strict": check.strict,
        "possible": not _is_share(own) or (bound <= 1 if more else bound >= 0),
    }


def rank(ranking: Ranking, results: Results) -> dict[str, Any]:
    """Decides one rank correlation.

    Args:
      ranking: of arms by two metrics.
      results: arm -> metrics of every seed, the seeds in one order.

    Returns:
      The ranking with `holds`, the mean over seeds as `correlation`, and its 95 % interval `low` to
      `high`.
    """
    seeds = zip(*(results[arm] for arm in ranking.arms), strict=True)
    found = []
    for arms in seeds:
        pair = ranking.metric, ranking.against
        both = [[value(each, metric) for each in arms] for metric in pair]
        flat = any(len({*numbers}) == 1 for numbers in both)
        found.append(0.0 if flat else float(stats.spearmanr(*both).statistic))
    low, high = interval(found)
    mean = float(np.mean(found))
    return {
        **dataclasses.asdict(ranking),
        "holds": mean >= ranking.least and low > 0,
        "correlation": mean,
        "low": low,
        "high": high,
    }


def _is_share(metric: Metric) -> bool:
    return any(_SHARE.fullmatch(part) for name in names_of(metric) for part in name.split("/"))


def does_it_too(
    control: Control, checks: Sequence[Check], results: Results, gain: bool = True
) -> bool:
    """Whether a control does what an arm does.

    Args:
      control: and whose place it takes.
      checks: those of the claim that hold.
      results: arm -> metrics of every seed.
      gain: whether the claim asks for one, so that where none holds there is nothing to do, too.
    """
    # Not those that compare with the control itself. An arm may be compared with another metric
    # of its own runs, of which the control is a third one.
    own = [
        c
        for c in checks
        if c.arm == control.of
        and (c.baseline, names_of(c.metrics[1])) != (control.arm, control.measured(c.metric))
    ]
    gains = [check for check in own if check.strict]
    if not own or (gain and not gains):
        return False

    def holds(check: Check) -> bool:
        return bool(judge(check, results)["holds"])

    def in_place(check: Check) -> Check:
        measured = control.measured(check.metric)
        return dataclasses.replace(
            check, arm=control.arm, metric=measured, against=check.metrics[1]
        )

    def beyond(check: Check) -> Check:
        against = control.measured(check.metric)
        return dataclasses.replace(check, baseline=control.arm, against=against)

    if any(holds(beyond(check)) for check in gains):
        return False
    if all(holds(in_place(check)) for check in own):
        return True
    # Short of the margin, but better than the baseline, and the arm is not better than it.
    kept = all(holds(in_place(check)) for check in own if not check.strict)
    return (
        kept
        and bool(gains)
        and all(holds(_without_margin(in_place(check))) for check in gains)
        and not any(holds(_without_margin(beyond(check))) for check in gains)
    )


def _without_margin(check: Check) -> Check:
    return dataclasses.replace(check, factor=1.0, offset=0.0)


def verdict(claim: Claim, results: Results) -> dict[str, Any]:
    """Judges a claim.

    Args:
      claim: of the experiment.
      results: arm -> metrics of every seed.

    Returns:
      `verdict`, one of VERDICTS; `because`, why, in a clause; `premises`, `checks` and `extras`,
      each as `judge` gives them; `rankings`, each as `rank` does; and `controls`, each with
      `does_it_too`.
    """
    found = {
        name: [judge(check, results) for check in getattr(claim, name)]
        for name in ("premises", "checks", "extras")
    }
    found["rankings"] = [rank(ranking, results) for ranking in claim.rankings]
    held = [
        check for check, each in zip(claim.checks, found["checks"], strict=True) if each["holds"]
    ]
    controls = [
        {
            **dataclasses.asdict(control),
            "does_it_too": does_it_too(control, held, results, claim.gain),
        }
        for control in claim.controls
    ]
    word, because = _word(claim, found, held, controls)
    return {"verdict": word, "because": because, **found, "controls": controls}


def _word(
    claim: Claim,
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    held: Sequence[Check],
    controls: Sequence[Mapping[str, Any]],
) -> tuple[str, str]:
    if claim.not_tested:
        return NOT_TESTED, claim.not_tested
    missing = [each["says"] for each in found["premises"] if not each["holds"]]
    if missing:
        return NOT_TESTED, f"does not hold, without which it tests nothing: {'; '.join(missing)}"
    lost = [
        each["says"] + ("" if each["possible"] else " (which no value could)")
        for each in found["checks"]
        if not each["holds"]
    ]
    lost += [each["says"] for each in found["rankings"] if not each["holds"]]
    ranked = [each["says"] for each in found["rankings"] if each["holds"]]
    if not (ranked or any(check.strict for check in held)) if claim.gain else not held:
        return NOT, f"does not hold: {'; '.join(lost)}"
    too = [each["says"] for each in controls if each["does_it_too"]]
    if too:
        return CONTROL, f"as well: {'; '.join(too)}"
    if lost:
        kept = "; ".join([*(check.says for check in held), *ranked])
        return PARTLY, f"holds: {kept}; does not hold: {'; '.join(lost)}"
    return REPRODUCED, f"all checks hold{', and no control does it too' if controls else ''}"

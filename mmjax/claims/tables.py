"""Verdicts on claims as text: one with its arms and checks, or many, a row each."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.claims.experiment import Control
from mmjax.claims.tuning import label
from mmjax.text import columns

# Of a cell of the README's table; the page has all.
_MOST_CLAUSES = 3


def table(result: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """A verdict as text: each arm's mean ± standard deviation over seeds, then the checks."""
    rows = [["arm", *(metric.split("/", 1)[-1] for metric in metrics), "setting"]]
    for arm, seeds in result["arms"].items():
        cells = []
        for metric in metrics:
            values = [found[metric] for found in seeds if metric in found]
            cells.append(spread(values) if values else "-")
        rows.append([arm, *cells, label(result["settings"][arm])])
    seeds = ", ".join(map(str, result["seeds"]))
    lines = [f"{result['recipe']}: {result['statement']}", f"(seeds {seeds}; {result['paper']})"]
    lines += [f"The paper: {result['claim']}", "", *columns(rows), ""]
    for part in ("premises", "checks", "extras"):
        if result[part]:
            lines.append(f"{part}:")
        for check in result[part]:
            mark = "holds " if check["holds"] else "FAILS "
            mark += "" if check["possible"] else "(as any value would) "
            lines.append(f"{mark} {check['says']}: {inequality(check)}: {numbers(check)}")
    for ranking in result.get("rankings", ()):
        mark = "holds " if ranking["holds"] else "FAILS "
        lines.append(f"{mark} {ranking['says']}: {ranked(ranking)}: {correlation(ranking)}")
    if result["controls"]:
        lines.append("controls:")
    for control in result["controls"]:
        mark = "TOO    " if control["does_it_too"] else "not    "
        lines.append(f"{mark}{control['says']}: {control['arm']} in the place of {control['of']}")
    return "\n".join([*lines, "", f"{result['verdict'].upper()} ({result['because']})"])


def metric_name(metric: str | Sequence[str]) -> str:
    """One metric, or several whose mean is meant: `mean of retrieval/test/{a_to_b, b_to_a}/R@1`."""
    if isinstance(metric, str):
        return metric
    parts = [name.split("/") for name in metric]
    shortest = min(map(len, parts)) - 1  # something has to differ
    first = next((i for i in range(shortest) if len({p[i] for p in parts}) > 1), shortest)
    most = shortest - first
    last = next((i for i in range(most) if len({p[-1 - i] for p in parts}) > 1), most)
    if not first:
        return f"mean of {', '.join(metric)}"
    rest = ["/".join(p[first : len(p) - last]) for p in parts]
    end = parts[0][len(parts[0]) - last :]
    return "mean of " + "/".join([*parts[0][:first], f"{{{', '.join(rest)}}}", *end])


def inequality(check: Mapping[str, Any]) -> str:
    """`arm >= 1.25 x baseline + 0.1` with the metric in front."""
    times = "" if check["factor"] == 1 else f"{check['factor']:g} x "
    more = f" {'-' if check['offset'] < 0 else '+'} {abs(check['offset']):g}"
    right = f"{times}{check['baseline']}{more if check['offset'] else ''}"
    against = f" by {metric_name(check['against'])}" if check["against"] else ""
    return f"{metric_name(check['metric'])}, {check['arm']} {check['compare']} {right}{against}"


def numbers(check: Mapping[str, Any]) -> str:
    """Both sides of a check, and the paired difference with its interval."""
    spread = f"{check['difference']:+.3f} [{check['low']:+.3f}, {check['high']:+.3f}]"
    return f"{check['left']:.3f} {check['compare']} {check['bound']:.3f}, difference {spread}"


def ranked(ranking: Mapping[str, Any]) -> str:
    """`rank correlation of a and b over 16 arms >= 0.75`."""
    both = f"{metric_name(ranking['metric'])} and {metric_name(ranking['against'])}"
    return f"rank correlation of {both} over {len(ranking['arms'])} arms >= {ranking['least']:g}"


def correlation(ranking: Mapping[str, Any]) -> str:
    """The correlation of a ranking with its interval."""
    return f"{ranking['correlation']:.3f} [{ranking['low']:+.3f}, {ranking['high']:+.3f}]"


def values_of(trial: Mapping[str, Any]) -> list[str]:
    """What a setting gave, by seed."""
    return ["diverged" if v is None else f"{v:.3f}" for v in trial["values"]]


def curve(result: Mapping[str, Any]) -> str:
    """What every setting of every arm gave, the chosen ones marked."""
    sign = "highest" if result["mode"] == "max" else "lowest"
    rows = [["", "arm", "setting", f"{metric_name(result['metric'])}, the {sign} chosen"]]
    for arm, found in result["arms"].items():
        for trial in found["trials"]:
            mark = "*" if trial["setting"] == found["choice"] else ""
            rows.append([mark, arm, label(trial["setting"]), " ".join(values_of(trial))])
    lines = [f"{result['recipe']}: tuned on seeds {', '.join(map(str, result['seeds']))}", ""]
    lines += columns(rows)
    for arm, found in result["arms"].items():
        if found["edge"]:
            lines.append(f"{arm}: at the edge of the grid: {', '.join(found['edge'])}")
        if found["ties"] > 1:
            lines.append(f"{arm}: {found['ties']} settings are equally good")
    return "\n".join(lines)


def headline(result: Mapping[str, Any]) -> str:
    """`metric: baseline -> strongest control -> recipe`, means ± standard deviations.

    Of the first check that asks for more than no loss; a control is there where there is one.
    """
    checks = [c for c in result["checks"] if c["strict"]] or result["checks"] or result["extras"]
    if not checks:
        return ""
    check, arms = checks[0], result["arms"]
    metric, baseline = check["metric"], check["against"] or check["metric"]
    cells = [f"{spread(of(arms, check['baseline'], baseline))} ({check['baseline']})"]
    controls = [
        (statistics.fmean(values), f"{spread(values)} ({control['arm']})")
        for control in result["controls"]
        if control["of"] == check["arm"] and control["arm"] != check["baseline"]
        for values in (of(arms, control["arm"], _control(control).measured(metric)),)
    ]
    if controls:
        best = max if check["compare"] == ">=" else min
        cells.append(best(controls)[1])
    cells.append(f"{spread(of(arms, check['arm'], metric))} ({check['arm']})")
    return f"{metric_name(metric)}: " + " -> ".join(cells)


def _control(stored: Mapping[str, Any]) -> Control:
    return Control(*(stored[field.name] for field in dataclasses.fields(Control)))


def of(arms: Mapping[str, Any], arm: str, metric: str | Sequence[str]) -> list[float]:
    """A metric of an arm by seed, or the mean of several, of a verdict or of a record."""
    if not isinstance(metric, str):
        each = [of(arms, arm, name) for name in metric]
        return [statistics.fmean(values) for values in zip(*each, strict=True)]
    found = arms[arm]
    if isinstance(found, Mapping):  # a record: metric -> values
        return list(found[metric])
    return [seed[metric] for seed in found]


def holds_here(result: Mapping[str, Any]) -> str:
    """What holds, as clauses: the first ones of the checks, then of the further ones."""
    parts = (result["checks"], result.get("rankings", ()), result["extras"])
    held = [check["says"] for part in parts for check in part if check["holds"]]
    return "; ".join(held[:_MOST_CLAUSES]) if held else "nothing of it"


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {deviation:.3f}"


def overview(results: Sequence[Mapping[str, Any]]) -> str:
    """All verdicts as one table: a row for each claim."""
    rows = [["claim", "verdict", "checks", "seconds", "baseline -> strongest control -> recipe"]]
    for result in results:
        held = sum(check["holds"] for check in result["checks"])
        checks = f"{held} of {len(result['checks'])}"
        seconds = f"{result['seconds']:.0f}"
        rows.append([result["recipe"], result["verdict"], checks, seconds, headline(result)])
    return "\n".join(columns(rows))

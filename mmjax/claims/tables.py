"""Verdicts on claims as text: one with its arms and checks, or many, a row each."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def table(verdict: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """The verdict as text: each arm's mean ± standard deviation over seeds, then the checks."""
    heads = [metric.split("/", 1)[-1] for metric in metrics]
    rows = [["arm", *heads]]
    for arm, seeds in verdict["arms"].items():
        cells = []
        for metric in metrics:
            values = [found[metric] for found in seeds if metric in found]
            cells.append(spread(values) if values else "-")
        rows.append([arm, *cells])
    lines = _columns(rows)
    title = f"{verdict['recipe']}: {verdict['statement']}"
    lines = [title, f"({len(verdict['seeds'])} seeds; {verdict['paper']})", "", *lines, ""]
    for check in verdict["checks"]:
        mark = "holds " if check["holds"] else "FAILS "
        lines.append(f"{mark} {check['metric']}: {inequality(check)}: {numbers(check)}")
    lines.append("")
    lines.append("SHOWN" if verdict["shown"] else "NOT SHOWN")
    return "\n".join(lines)


def inequality(check: Mapping[str, Any]) -> str:
    """`arm >= 1.25 x baseline + 0.1 in every seed`, without the metric."""
    if check["baseline"] is None:
        right = f"{check['offset']:g}"
    else:
        times = "" if check["factor"] == 1 else f"{check['factor']:g} x "
        more = f" {'-' if check['offset'] < 0 else '+'} {abs(check['offset']):g}"
        right = f"{times}{check['baseline']}{more if check['offset'] else ''}"
    where = "in every seed" if check["each_seed"] else "in the mean"
    return f"{check['arm']} {check['compare']} {right} {where}"


def numbers(check: Mapping[str, Any]) -> str:
    """Both sides of a check, by seed or of the means."""
    return ", ".join(
        f"{a:.3f} {check['compare']} {b:.3f}"
        for a, b in zip(check["left"], check["right"], strict=True)
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of columns, the first with a rule under it."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def headline(
    checks: Sequence[Mapping[str, Any]], values: Callable[[str, str], Sequence[float]]
) -> str:
    """`metric: baseline -> recipe`, means ± standard deviations, of the first check of two arms.

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
        spread(values(arm, check["metric"])) for arm in arms
    )


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {deviation:.3f}"


def _by_seed(arms: Mapping[str, Any]) -> Callable[[str, str], Sequence[float]]:
    return lambda arm, metric: [seed[metric] for seed in arms[arm]]


def overview(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """All verdicts as one table: a row for each recipe."""
    rows = [["claim", "shown", "checks", "seconds", "baseline -> recipe"]]
    for verdict in verdicts:
        held = sum(check["holds"] for check in verdict["checks"])
        checks = f"{held} of {len(verdict['checks'])}"
        shown = "yes" if verdict["shown"] else "no"
        seconds = f"{verdict['seconds']:.0f}"
        numbers = headline(verdict["checks"], _by_seed(verdict["arms"]))
        rows.append([verdict["recipe"], shown, checks, seconds, numbers])
    return "\n".join(_columns(rows))

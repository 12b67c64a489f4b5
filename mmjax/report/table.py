"""The final table of a run, in plain text.

It holds what a person asks first; every other number is in `summary.json` and on the page.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmjax import places
from mmjax.report import results

FILES = {
    "report.html": "the page to look at",
    "summary.json": "every final number by name",
    "metrics.jsonl": "the numbers over the steps",
    "checkpoints": "the trained model",
    "bad_rows.jsonl": "examples that could not be read",
}
OTHERS = 16  # lines of further measures
GAP = ("centroid_distance", "linear_separability", "positive_cosine")


def summary_table(metrics: Mapping[str, float], folder: str | Path | None = None) -> str:
    """The final numbers as a table of a few dozen lines, however many numbers there are.

    Args:
      metrics: name -> value, as in `summary.json`: `retrieval/<set>/<a>_to_<b>/...`,
        `zero_shot/<set>/...`, `geometry/<set>/...`, and `seconds` and `step` if known.
      folder: of the run; its files are listed at the end.

    Returns:
      Lines of text; sections without numbers are left out.
    """
    metrics = results.numbers(metrics)
    sections = [section(metrics) for section in (_retrieval, _zero_shot, _gap, _others, _stages)]
    lines = [line for section in sections if section for line in ("", *section)]
    if not lines:
        lines = ["", "No evaluators were configured."]
    lines += _files(metrics, folder)
    return "\n".join(lines).rstrip()


def _grid(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows of cells as aligned lines; the first `left` columns are aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    lines.insert(1, "  " + "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines


def _retrieval(metrics: Mapping[str, float]) -> list[str]:
    rows = results.retrieval(metrics)
    if not rows:
        return []
    ks = sorted({k for row in rows for k in row.recall})
    # Chance is that of R@1, so it stands beside it.
    recall = [head for k in ks for head in ([f"R@{k}", "chance"] if k == 1 else [f"R@{k}"])]
    grid = [["set", "given -> find", *recall, "median rank", "answers"]]
    before = None
    for row in rows:
        cells = []
        for k in ks:
            cells.append(results.percent(row.recall.get(k, math.nan)))
            if k == 1:
                cells.append(results.percent(row.chance))
        grid.append(
            [
                "" if row.name == before else results.plain(row.name),
                f"{row.query} -> {row.answer}",
                *cells,
                results.number(row.median_rank, 1),
                results.number(row.gallery),
            ]
        )
        before = row.name
    title = "Retrieval: how often the right answer is first (R@1) or among the first k (R@k)"
    return [title, *_grid(grid, left=2)]


def _zero_shot(metrics: Mapping[str, float]) -> list[str]:
    rows = results.zero_shot(metrics)
    if not rows:
        return []
    grid = [["set", "top-1", "chance", "top-5", "classes"]]
    notes = []
    for row in rows:
        if row.language:
            continue
        grid.append(
            [
                results.plain(row.name),
                results.percent(row.top_1),
                results.percent(row.chance),
                results.percent(row.top_5),
                results.number(row.classes),
            ]
        )
        own = [r for r in rows if r.name == row.name and r.language and not math.isnan(r.top_1)]
        if len(own) > 1:
            best, worst = max(own, key=lambda r: r.top_1), min(own, key=lambda r: r.top_1)
            notes.append(
                f"  {results.plain(row.name)} is the mean of {len(own)} languages: best "
                f"{best.language} {results.percent(best.top_1)}, worst "
                f"{worst.language} {results.percent(worst.top_1)} (top-1)"
            )
    title = "Zero-shot classification: accuracy of the class whose name is nearest"
    return [title, *_grid(grid, left=1), *notes]


def _gap(metrics: Mapping[str, float]) -> list[str]:
    rows = [row for row in results.geometry(metrics) if row.metric in GAP]
    if not rows:
        return []
    sets = list(dict.fromkeys(name for row in rows for name in row.values))
    grid = [["measure", *map(results.plain, sets)]]
    for row in rows:
        values = (row.values.get(name, math.nan) for name in sets)
        grid.append([row.label, *(results.geometry_value(row.metric, value) for value in values)])
    return ["Modality gap: how far apart the modalities lie", *_grid(grid, left=1)]


def _others(metrics: Mapping[str, float]) -> list[str]:
    rows = results.others(metrics)
    if not rows:
        return []
    grid = [["evaluator", "set", "measure", "value"]]
    grid += [
        [
            results.plain(row.kind),
            results.plain(row.name),
            results.plain(row.metric).replace("/", ", "),
            results.number(row.value),
        ]
        for row in rows[:OTHERS]
    ]
    more = [f"  and {len(rows) - OTHERS} more, on the page"] if len(rows) > OTHERS else []
    return ["Other measures", *_grid(grid, left=3), *more]


def _stages(metrics: Mapping[str, float]) -> list[str]:
    names, rows = results.after_stages(metrics)
    if not rows:
        return []
    grid = [["measure", *names], *([label, *values] for label, values in rows)]
    return ["Over the run", *_grid(grid, left=1)]


def _files(metrics: Mapping[str, float], folder: str | Path | None) -> list[str]:
    lines = []
    if "step" in metrics and "seconds" in metrics:
        took = results.duration(metrics["seconds"])
        lines += ["", f"{results.number(metrics['step'])} steps, {took} in all."]
    if folder is None:
        return lines
    folder = Path(folder)
    known = [(name, words) for name, words in FILES.items() if (folder / name).exists()]
    lines += ["", *([] if known else [f"The run's folder: {places.name(folder)}"])]
    width = max((len(words) for _, words in known), default=0)
    lines += [f"  {words.ljust(width)}  {places.name(folder)}/{name}" for name, words in known]
    return lines

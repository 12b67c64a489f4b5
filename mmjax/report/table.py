"""The table at the end of a run, in plain text, for someone who has not read the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmjax.report import results

FILES = {
    "report.html": "the page to look at",
    "summary.json": "every final number by name",
    "metrics.jsonl": "the numbers over the steps",
    "checkpoints": "the trained model",
    "bad_rows.jsonl": "examples that could not be read",
}


def summary_table(metrics: Mapping[str, float], folder: str | Path | None = None) -> str:
    """The final numbers as a table of at most 100 columns.

    Args:
      metrics: name -> value, as in `summary.json`: `retrieval/<set>/<a>_to_<b>/...`,
        `zero_shot/<set>/...`, `geometry/<set>/...`, and `seconds` and `step` if known.
      folder: of the run; its files are listed at the end.

    Returns:
      Lines of text; sections without numbers are left out.
    """
    metrics = results.numbers(metrics)
    sections = [_retrieval(metrics), _zero_shot(metrics), _geometry(metrics)]
    lines = [line for section in sections if section for line in ("", *section)]
    if not lines:
        lines = ["", "No evaluator ran, so there is nothing to show but the files."]
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
    head = ["set", "given -> find", *(f"R@{k}" for k in ks)]
    head += ["median rank", "mAP", "among", "chance R@1"]
    grid = [head]
    before = None
    for row in rows:
        grid.append(
            [
                "" if row.name == before else results.plain(row.name),
                f"{row.query} -> {row.answer}",
                *(results.percent(row.recall.get(k, float("nan"))) for k in ks),
                results.number(row.median_rank, 1),
                results.number(row.mean_ap),
                results.number(row.gallery),
                results.percent(row.chance),
            ]
        )
        before = row.name
    title = "Retrieval: is the right answer among the first k of all answers?"
    return [title, *_grid(grid, left=2)]


def _zero_shot(metrics: Mapping[str, float]) -> list[str]:
    rows = results.zero_shot(metrics)
    if not rows:
        return []
    grid = [["set", "top-1", "top-5", "mean per class", "classes", "chance top-1"]]
    for row in rows:
        grid.append(
            [
                f"  in {row.language}" if row.language else results.plain(row.name),
                results.percent(row.top_1),
                results.percent(row.top_5),
                results.percent(row.mean_per_class),
                results.number(row.classes),
                results.percent(row.chance),
            ]
        )
    title = "Zero-shot: is the class named right, though no class label was ever trained on?"
    return [title, *_grid(grid, left=1)]


def _geometry(metrics: Mapping[str, float]) -> list[str]:
    rows = results.geometry(metrics)
    if not rows:
        return []
    sets = list(dict.fromkeys(name for row in rows for name in row.values))
    grid = [["measure", "in words", *map(results.plain, sets)]]
    for row in rows:
        shown = [
            results.geometry_value(row.metric, row.values.get(name, float("nan"))) for name in sets
        ]
        grid.append([row.metric, row.label, *shown])
    title = "Geometry: how far apart are the modalities (the gap), and how do they fill the sphere?"
    return [title, *_grid(grid, left=2)]


def _files(metrics: Mapping[str, float], folder: str | Path | None) -> list[str]:
    lines = []
    if "step" in metrics and "seconds" in metrics:
        took = results.duration(metrics["seconds"])
        lines += ["", f"{results.number(metrics['step'])} steps, {took} in all."]
    if folder is None:
        return lines
    folder = Path(folder)
    known = [(name, words) for name, words in FILES.items() if (folder / name).exists()]
    lines += ["", f"Files in {folder}"]
    if known:
        width = max(len(name) for name, _ in known)
        lines += [f"  {name.ljust(width)}  {words}" for name, words in known]
    return lines

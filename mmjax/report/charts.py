"""The charts of a page: which metrics share a figure, and their labels."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from mmjax.report import plots, results

History = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Chart(NamedTuple):
    """A figure of the page.

    Attributes:
      title: what is drawn.
      note: one sentence on how to read it, or empty.
      legend: (name, number of the colour) of each curve; empty if there is one only.
      last: the last value of the first curve.
      svg: the drawing.
    """

    title: str
    note: str
    legend: list[tuple[str, int]]
    last: str
    svg: Markup


_KNOWN = {
    "learning_rate": ("Learning rate", ""),
    "parameter_norm": ("Size of the parameters", "The L2 norm of all of them."),
}


def training(history: History) -> list[Chart]:
    """The loss, its terms, and what else was measured while training."""
    left = {
        name.removeprefix("train/"): curve
        for name, curve in history.items()
        if name.startswith("train/")
        and name.removeprefix("train/") not in results.SPEED
        and np.isfinite(curve[1]).any()
    }
    terms = [name.removesuffix("/loss") for name in left if name.endswith("/loss")]
    charts = []
    for term in terms:
        chance = _chance(left.pop(f"{term}/chance", None))
        loss, own = left.get("loss"), left.pop(f"{term}/loss")
        alone = len(terms) == 1 and loss is not None and np.array_equal(loss[1], own[1])
        note = f"Dashed: chance, {results.number(chance)}." if chance is not None else ""
        if alone:
            charts.append(_chart("loss", "Loss", {"loss": left.pop("loss")}, note, chance))
        else:
            charts.append(
                _chart(f"loss-{term}", f"Loss of {term}, unweighted", {term: own}, note, chance)
            )
    if "loss" in left:
        note = "The weighted sum of all terms." if terms else ""
        charts.insert(0, _chart("loss", "Loss", {"loss": left.pop("loss")}, note))
    norms = {
        name.removeprefix("gradient_norm").lstrip("/") or "all": left.pop(name)
        for name in list(left)
        if name.partition("/")[0] == "gradient_norm"
    }
    if norms:
        note = "L2 norm, before clipping."
        charts.append(_chart("gradient-norm", "Size of the gradient", norms, note))
    for number, (name, curve) in enumerate(left.items()):
        term, slash, rest = name.rpartition("/")
        said = f"{results.plain(term)}: {results.plain(rest)}" if slash else results.plain(name)
        title, note = _KNOWN.get(name, (said, ""))
        if rest == "scale":
            note = "1 / temperature."
        charts.append(_chart(f"more-{number}", title, {name: curve}, note))
    return charts


def progress(history: History) -> list[Chart]:
    """The main numbers of the evaluations, if there was more than one."""
    several = {name: curve for name, curve in history.items() if len(curve[0]) > 1}
    last = {name: curve[1][-1] for name, curve in several.items()}
    charts = []
    by_set: dict[str, list[results.Retrieval]] = {}
    for row in results.retrieval(last):
        if 1 in row.recall:
            by_set.setdefault(row.name, []).append(row)
    for number, (name, rows) in enumerate(by_set.items()):
        curves = {
            f"{row.query} → {row.answer}": several[
                f"retrieval/{name}/{row.query}_to_{row.answer}/R@1"
            ]
            for row in rows
        }
        title = f"Retrieval {results.plain(name)}: R@1"
        charts.append(
            _chart(f"retrieval-{number}", title, curves, chance=rows[0].chance, share=True)
        )
    for number, own in enumerate(r for r in results.zero_shot(last) if not r.language):
        curves = {"top-1": several[f"zero_shot/{own.name}/top_1"]}
        title = f"Zero-shot {results.plain(own.name)}: top-1"
        charts.append(_chart(f"zero-shot-{number}", title, curves, chance=own.chance, share=True))
    gaps = {
        results.plain(name.split("/")[1]): curve
        for name, curve in several.items()
        if name.startswith("geometry/") and name.endswith("/centroid_distance")
    }
    if gaps:
        note = "Distance between the centroids of the modalities; 0: no gap."
        charts.append(_chart("gap", "Modality gap", gaps, note))
    return charts


def speed(history: History) -> list[Chart]:
    """Examples a second, the share of time spent waiting for data (data wait), and MFU."""
    charts = []
    if "train/examples_per_second" in history:
        curve = {"examples a second": history["train/examples_per_second"]}
        charts.append(_chart("speed", "Examples a second", curve, from_zero=True))
    if "train/data_wait_share" in history:
        curve = {"data wait": history["train/data_wait_share"]}
        charts.append(_chart("data_wait", "Data wait", curve, share=True))
    if "train/mfu" in history:
        curve = {"MFU": history["train/mfu"]}
        charts.append(_chart("mfu", "Share of the peak rate (MFU)", curve, share=True))
    return charts


def overlaid(histories: Mapping[str, History]) -> list[Chart]:
    """Every number that a run wrote down over its steps, the curves of all runs in one figure.

    Args:
      histories: name of a run -> its numbers; a run has the same colour in every figure.
    """
    names = dict.fromkeys(name for history in histories.values() for name in history)
    colours = {run: number for number, run in enumerate(histories)}
    charts = []
    for number, name in enumerate(sorted(names, key=_of_loss)):
        curves = {
            run: history[name]
            for run, history in histories.items()
            if name in history and np.isfinite(history[name][1]).any()
        }
        if not curves or max(len(steps) for steps, _ in curves.values()) < 2:
            continue
        if len({float(value) for _, values in curves.values() for value in values}) == 1:
            continue  # such as the size of a gallery
        share = name.rpartition("/")[2] in _SHARES or "/R@" in name
        title = results.plain(name.removeprefix("train/")).replace("/", " / ")
        charts.append(_chart(f"run-{number}", title, curves, share=share, colours=colours))
    return charts


_SHARES = {
    "accuracy",
    "top_1",
    "top_5",
    "mean_per_class",
    "data_wait_share",
    "mfu",
    "linear_separability",
}


def _of_loss(name: str) -> tuple[bool, bool, bool]:
    """The order of figures: the loss, what was evaluated, and the rest of training."""
    training = name.startswith("train/")
    return name != "train/loss", training, training and not name.endswith("/loss")


def _chance(curve: tuple[np.ndarray, np.ndarray] | None) -> float | None:
    if curve is None or not np.isfinite(curve[1][-1]):
        return None
    return float(curve[1][-1])


def _chart(
    name: str,
    title: str,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    note: str = "",
    chance: float | None = None,
    *,
    share: bool = False,
    from_zero: bool = False,
    colours: Mapping[str, int] | None = None,
) -> Chart:
    """A figure; `colours` says those of the curves by name, by default in their order."""
    if chance is not None and not np.isfinite(chance):
        chance = None
    if share and chance is not None:
        note = f"{note} Dashed: chance, {results.percent(chance)}.".strip()

    def shown(value: float) -> str:
        return results.percent(value) if share else _short(value)

    steps, values = next(iter(curves.values()))
    told = "; ".join(
        f"{label} from {shown(v[0])} at step {s[0]:,} to {shown(v[-1])} at step {s[-1]:,}"
        for label, (s, v) in curves.items()
    )
    order = colours or {label: number % plots.COLOURS for number, label in enumerate(curves)}
    series = [plots.Series(s, v, order[label]) for label, (s, v) in curves.items()]
    svg = plots.curves(
        f"curve-{name}",
        series,
        f"{title}: {told}.",
        chance=chance,
        dots=len(steps) <= 12,
        share=share,
        from_zero=from_zero,
    )
    legend = [(label, order[label]) for label in curves]
    return Chart(
        title, note, legend if len(legend) > 1 or colours else [], shown(values[-1]), Markup(svg)
    )


def _short(value: float) -> str:
    """A value with four digits that mean something, without a needless exponent."""
    if not np.isfinite(value):
        return "not a number"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.{max(0, 3 - max(0, int(np.floor(np.log10(abs(value))))))}f}"
    return f"{value:.2e}"

"""The report page of a run, `report.html`: one self-contained file."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mmjax.files import write_atomically
from mmjax.report import charts, embeddings, files, plots, reproduce, results
from mmjax.report.files import RunFiles
from mmjax.report.table import FILES

FILE = "report.html"
BAD_ROWS = 30  # shown, at most


def write(folder: str | Path, summary: Mapping[str, Any] | None = None) -> Path:
    """Writes `report.html` into a run's folder, from the files that are there.

    In a run of several processes only the first may call it.

    Args:
      folder: of the run.
      summary: its final numbers by name; None reads `summary.json`.

    Returns:
      The path of the page.

    Raises:
      FileNotFoundError: if there is no such folder.
    """
    page = render(files.read(folder, summary))
    path = Path(folder) / FILE
    # A caption may hold half a surrogate pair, which no encoding can write.
    write_atomically(path, page.encode("utf-8", "replace").decode("utf-8"))
    return path


def environment() -> jinja2.Environment:
    """The templates of this package, with what they need to show numbers."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "percent": results.percent,
        "number": results.number,
        "plain": results.plain,
        "geometry_value": results.geometry_value,
        "has": lambda value: not math.isnan(value),
        "dashes": [" ".join(map(str, dash)) for dash in plots.DASHES],
    }
    return made


def render(run: RunFiles) -> str:
    """The page as HTML."""
    retrieval, zero_shot = results.retrieval(run.summary), results.zero_shot(run.summary)
    geometry = results.geometry(run.summary)
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            run=run,
            title=_title(run),
            facts=_facts(run),
            settings=_settings(run.config or {}),
            config=json.dumps(run.config, indent=2, ensure_ascii=False) if run.config else "",
            claim=_section(run.config, "claim"),
            headlines=_headlines(retrieval, zero_shot, geometry),
            retrieval=retrieval,
            ks=sorted({k for row in retrieval for k in row.recall}),
            retrieval_meaning=results.RETRIEVAL_MEANING,
            zero_shot=[row for row in zero_shot if not row.language],
            languages=_languages(zero_shot),
            zero_shot_meaning=results.ZERO_SHOT_MEANING,
            geometry=geometry,
            geometry_sets=list(dict.fromkeys(name for row in geometry for name in row.values)),
            others=results.others(run.summary),
            after_stages=results.after_stages(run.summary),
            training=charts.training(run.history),
            long_curves=any(len(steps) > plots.MOST_POINTS for steps, _ in run.history.values()),
            progress=charts.progress(run.history),
            speed=charts.speed(run.history),
            speed_sentence=_speed(run.history),
            shown=embeddings.drawn(run.shown),
            bad_rows=run.bad_rows[:BAD_ROWS],
            bad_rows_met=sum(row["count"] for row in run.bad_rows),
            unreadable=_unreadable(run.summary),
            kept=[
                (name, words)
                for name, words in FILES.items()
                if name != FILE and (run.folder / name).exists()
            ],
            **_reproduction(run),
        )
    )


def _title(run: RunFiles) -> str:
    if not run.config:
        return run.folder.resolve().name
    return f"{run.config.get('recipe', '?')} ({run.config.get('variant', '?')})"


def _facts(run: RunFiles) -> list[tuple[str, str]]:
    """The few numbers under the title."""
    config, facts = run.config or {}, []
    data = _section(config, "data")
    if "step" in run.summary:
        facts.append((results.number(run.summary["step"]), "steps"))
    if batch := results.numbers({"size": data.get("batch_size")}):
        facts.append((results.number(batch["size"]), "examples a step"))
    if "seconds" in run.summary:
        facts.append((results.duration(run.summary["seconds"]), "in all"))
    if "seed" in config:
        facts.append((str(config["seed"]), "seed"))
    return facts


# Options that say how rather than what; the whole config has them.
_DETAILS = {
    "activation",
    "bos",
    "cache_decoded",
    "caption",
    "drop_path",
    "dropout",
    "duplicates",
    "eos",
    "eos_id",
    "eps",
    "final_fraction",
    "init",
    "label_smoothing",
    "max_scale",
    "pad_id",
    "remat",
    "segments",
    "type",
}


def _options(spec: Any) -> str:
    """What a component is in one line, `type (option value, ...)`, without its finer points."""
    if not isinstance(spec, Mapping):
        return str(spec)
    own = []
    for key, value in spec.items():
        if key in _DETAILS or isinstance(value, bool | Mapping) or value in (None, "", "none"):
            continue
        if isinstance(value, list | tuple):
            if not value or not all(isinstance(v, int | float | str) for v in value):
                continue
            value = " ".join(map(str, value))
        own.append(f"{results.plain(key)} {value}")
    return str(spec.get("type", "")) + (f" ({', '.join(own)})" if own else "")


def _settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a reader wants to know of a config before reading all of it."""
    rows = []
    for name, spec in _section(config, "objectives").items():
        rows.append((f"objective {name}", _options(spec)))
    towers = _section(_section(config, "model"), "towers")
    for name in towers:
        tower = _section(towers, name)
        parts = [_options(tower.get("encoder", {})), _options(tower.get("head", {}))]
        rows.append((f"tower {name}", " → ".join(part for part in parts if part)))
    source = _section(_section(config, "data"), "source")
    if source:
        named = {"": source} if "type" in source else source
        text = "; ".join(f"{name} {_options(spec)}".strip() for name, spec in named.items())
        rows.append(("training data", text))
    if config.get("optimizer"):
        rows.append(("optimizer", _options(config["optimizer"])))
    stages = config.get("stages")
    for stage in stages if isinstance(stages, list | tuple) else ():
        if isinstance(stage, Mapping):
            rows.append((f"stage {stage.get('name', '?')}", _of_stage(stage)))
    return rows


def _section(config: Any, key: str) -> Mapping[str, Any]:
    """A section of a stored config, empty where it has none: the file may hold anything."""
    found = config.get(key) if isinstance(config, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _of_stage(stage: Mapping[str, Any]) -> str:
    """What a stage changes, in one line; evaluators, which change nothing, are left out."""
    steps = results.numbers({"steps": stage.get("steps")}).values()
    parts = [f"{results.number(each)} steps" for each in steps]
    for name, spec in _section(stage, "objectives").items():
        parts.append(f"without {name}" if spec is None else f"{name} {_options(spec)}".strip())
    for key in ("data", "model", "optimizer", "teacher"):
        if stage.get(key) is not None:
            text = json.dumps(stage[key], ensure_ascii=False)
            parts.append(f"{key} {text if len(text) <= 160 else text[:157] + '...'}")
    return "; ".join(parts)


def _headlines(
    retrieval: list[results.Retrieval],
    zero_shot: list[results.ZeroShot],
    geometry: list[results.Measure],
) -> list[dict[str, Any]]:
    """The numbers to read first, each beside what chance would give."""
    cards: dict[tuple[str, str], dict[str, Any]] = {}

    def card(kind: str, name: str, under: str) -> list[dict[str, Any]]:
        new = {"kind": kind, "name": results.plain(name), "under": under, "rows": []}
        rows: list[dict[str, Any]] = cards.setdefault((kind, name), new)["rows"]
        return rows

    for row in retrieval:
        k = min(row.recall, default=None)
        if k is None:
            continue
        among = f"right answer {'first' if k == 1 else f'among the first {k}'}"
        among += f", of {results.number(row.gallery)}" if not math.isnan(row.gallery) else ""
        label = f"{row.query} → {row.answer}"
        card("Retrieval", row.name, among).append(
            _against_chance(label, row.recall[k], row.chance if k == 1 else math.nan)
        )
    for own in zero_shot:
        if not own.language:
            under = f"top-1 accuracy, of {results.number(own.classes)} classes"
            card("Zero-shot", own.name, under).append(
                _against_chance("top-1", own.top_1, own.chance)
            )
    for measure in geometry:
        if measure.metric not in ("centroid_distance", "linear_separability"):
            continue
        label, none = {
            "centroid_distance": ("centroid distance", "0: no gap"),
            "linear_separability": ("linearly separable", "50 %: no gap, 100 %: two clusters"),
        }[measure.metric]
        for name, value in measure.values.items():
            shown = results.geometry_value(measure.metric, value)
            card("Modality gap", name, "how far the modalities lie apart").append(
                {"label": label, "value": shown, "share": None, "chance": none}
            )
    return list(cards.values())


def _against_chance(label: str, value: float, chance: float) -> dict[str, Any]:
    row: dict[str, Any]
    row = {"label": label, "value": results.percent(value), "share": value, "chance": ""}
    if chance > 0:
        times = value / chance
        row["chance_share"] = chance
        row["chance"] = f"chance {results.percent(chance)}"
        if times >= 1.05:
            row["chance"] += (
                f"; {results.number(times, 1) if times < 10 else f'{times:,.0f}'} times"
            )
    return row


def _languages(zero_shot: list[results.ZeroShot]) -> dict[str, list[results.ZeroShot]]:
    """set -> its languages, best first."""
    by_set: dict[str, list[results.ZeroShot]] = {}
    for row in zero_shot:
        if row.language:
            by_set.setdefault(row.name, []).append(row)
    return {name: sorted(rows, key=lambda row: -row.top_1) for name, rows in by_set.items()}


def _speed(history: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    def finite(name: str) -> np.ndarray:
        values = history.get(name, (None, np.zeros(0)))[1]
        return values[np.isfinite(values)]

    rates, shares = finite("train/examples_per_second"), finite("train/data_wait_share")
    parts = []
    if len(rates):
        parts.append(f"The run trained on {np.median(rates):,.0f} examples a second (median)")
    if len(shares):
        waited = f"waited for data {results.percent(float(shares.mean()))} of the time"
        parts.append(waited if parts else f"The run {waited}")
    sentence = " and ".join(parts)
    if len(shares) and shares.mean() > 0.1:
        sentence += ", so reading the data is what slows it down: try more data.workers"
    return f"{sentence}." if sentence else ""


def _unreadable(summary: Mapping[str, float]) -> list[tuple[str, int]]:
    """Items that the evaluators could not read, set by set."""
    return [
        (results.plain(name.removeprefix("eval/").rsplit("/", 1)[0]), int(value))
        for name, value in summary.items()
        if name.endswith("/unreadable") and value > 0
    ]


def _reproduction(run: RunFiles) -> dict[str, Any]:
    if not run.config:
        return {"recipe": None, "command": ""}
    recipe = reproduce.recipe_of(run.config)
    return {"recipe": recipe, "command": reproduce.command(run.config, recipe)}

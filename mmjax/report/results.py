"""Metrics grouped for the report, each explained in a sentence.

The terminal's table and the page both read from here, so they cannot tell different stories.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# Of the metrics of a row, those that say how fast the machine was, and not what was learned.
SPEED = (
    "examples_per_second",
    "seconds_per_step",
    "data_wait_share",
    "model_tflops_per_second",
    "mfu",
    "device_memory_gib",
)


class Retrieval(NamedTuple):
    """One direction of one retrieval set; what was not measured is NaN.

    Attributes:
      name: of the set, e.g. `new_style`.
      query, answer: modalities.
      recall: k -> share of queries with a right answer among the first k.
      median_rank, mean_ap: see `mmjax.evaluators.retrieval`.
      gallery: number of answers to choose from.
      chance: R@1 of random scores.
    """

    name: str
    query: str
    answer: str
    recall: dict[int, float]
    median_rank: float
    mean_ap: float
    gallery: float
    chance: float


class ZeroShot(NamedTuple):
    """One zero-shot set, or one language of it; what was not measured is NaN."""

    name: str
    language: str  # empty: all languages together, or the only one
    top_1: float
    top_5: float
    mean_per_class: float
    classes: float
    chance: float


class Measure(NamedTuple):
    """One measure of geometry over all sets that have it.

    Attributes:
      metric: its name, e.g. `centroid_distance`.
      label: in plain words.
      meaning: one sentence.
      values: set -> value.
    """

    metric: str
    label: str
    meaning: str
    values: dict[str, float]


class Other(NamedTuple):
    """One number of an evaluator of another type.

    Attributes:
      kind: the type, e.g. `probe`.
      name: of the set.
      metric: what is left of the name, e.g. `accuracy`.
    """

    kind: str
    name: str
    metric: str
    value: float


RETRIEVAL_MEANING = (
    "R@k is the share of queries whose right answer is among the first k. Median rank is that of "
    "the best right answer of each query (1 is best), and mAP the mean average precision, which "
    "counts all right answers of a query."
)
ZERO_SHOT_MEANING = (
    "Each image is given the class whose text embedding, made from prompts, is nearest. "
    "Top-5 counts an image if its class is among the nearest five; mean per class counts every "
    "class alike, however many images it has."
)

_GEOMETRY = {
    "centroid_distance": (
        "centroid distance (0: no gap)",
        "Distance between the centroids of the modalities; 0 means no gap.",
    ),
    "linear_separability": (
        "linearly separable (50 %: no gap)",
        "Accuracy of a linear classifier of {first} and {second}; 50 %: no gap.",
    ),
    "positive_cosine": (
        "cosine of a pair (1: best)",
        "Mean cosine of the two members of a pair; 1 is best.",
    ),
    "cosine_margin": (
        "cosine of a pair above that of others",
        "The same minus the mean cosine of what does not belong together; 0 is chance.",
    ),
    "alignment": (
        "distance within a pair (0: best)",
        "Mean squared distance of the two members of a pair; 0 is best.",
    ),
    "uniformity": (
        "spread of {modality} (0: a point, -4: even)",
        "0 if all lie on one point, about -4 if spread evenly over the sphere.",
    ),
    "cross_uniformity": (
        "spread across modalities",
        "The same over pairs that do not belong together; lower is further apart.",
    ),
    "effective_rank": (
        "effective rank of {modality}",
        "Effective number of dimensions that the embeddings use.",
    ),
}


def plain(name: str) -> str:
    """`new_style` as `new style`."""
    return name.replace("_", " ")


def percent(value: float) -> str:
    """0.4132 as `41.3 %`; small values keep two digits that mean something: `0.054 %`."""
    if not math.isfinite(value):
        return "-"
    share = 100 * value
    if share == 0 or share >= 1:
        return f"{share:.1f} %"
    return f"{share:.{1 - math.floor(math.log10(share))}f} %"


def number(value: float, digits: int = 3) -> str:
    """A count without, any other number with a few decimals; NaN and infinity as `-`."""
    if not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """247.3 as `4 min 7 s`; NaN and infinity as `-`."""
    if not math.isfinite(seconds):
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def numbers(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a nested dict, with slashes in their names; anything else is left out."""
    flat: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[f"{prefix}{key}"] = float(value)
    return flat


def _sets(metrics: Mapping[str, float], kind: str) -> dict[str, dict[str, float]]:
    """set -> metric -> value, of one type of evaluator; `eval/` may stand in front."""
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        parts = name.removeprefix("eval/").split("/", 2)
        if len(parts) == 3 and parts[0] == kind:
            found.setdefault(parts[1], {})[parts[2]] = value
    return found


def retrieval(metrics: Mapping[str, float]) -> list[Retrieval]:
    """Every direction of every retrieval set, in the order of the metrics."""
    rows = []
    for name, values in _sets(metrics, "retrieval").items():
        directions: dict[str, dict[str, float]] = {}
        for metric, value in values.items():
            direction, slash, rest = metric.partition("/")
            if slash and "_to_" in direction:
                directions.setdefault(direction, {})[rest] = value
        for direction, own in directions.items():
            query, _, answer = direction.partition("_to_")
            recall = {
                int(match[1]): value
                for metric, value in own.items()
                if (match := re.fullmatch(r"R@(\d+)", metric))
            }
            others = (own.get(m, math.nan) for m in ("median_rank", "mAP", "gallery", "chance_R@1"))
            rows.append(Retrieval(name, query, answer, dict(sorted(recall.items())), *others))
    return rows


def zero_shot(metrics: Mapping[str, float]) -> list[ZeroShot]:
    """Every zero-shot set, each followed by its languages."""
    rows = []
    shared = ("classes", "chance")
    for name, values in _sets(metrics, "zero_shot").items():
        languages = [m.removesuffix("/top_1") for m in values if m.endswith("/top_1")]
        for language in ("", *languages):
            prefix = f"{language}/" if language else ""
            own = (values.get(prefix + m, math.nan) for m in ("top_1", "top_5", "mean_per_class"))
            rows.append(ZeroShot(name, language, *own, *(values.get(m, math.nan) for m in shared)))
    return rows


def geometry(metrics: Mapping[str, float]) -> list[Measure]:
    """Every measure of geometry, the gap first."""
    sets = _sets(metrics, "geometry")
    order = list(_GEOMETRY)
    names = dict.fromkeys(m for values in sets.values() for m in values)
    known = [m for m in names if m.partition("/")[0] in _GEOMETRY]
    modalities = list(dict.fromkeys(m.partition("/")[2] for m in known if "/" in m))
    # Which two a measure is about is known only if there are no more than two.
    first, second = modalities if len(modalities) == 2 else ("one modality", "the other")
    rows = []
    for metric in sorted(known, key=lambda m: order.index(m.partition("/")[0])):
        base, _, modality = metric.partition("/")
        label, meaning = (
            text.format(modality=modality or "both", first=first, second=second)
            for text in _GEOMETRY[base]
        )
        values = {name: own[metric] for name, own in sets.items() if metric in own}
        rows.append(Measure(metric, label, meaning, values))
    return rows


def others(metrics: Mapping[str, float]) -> list[Other]:
    """What evaluators of further types found, in the order of the metrics."""
    from mmjax.evaluators import EVALUATORS  # here, to start faster: it brings jax

    kinds = [kind for kind in EVALUATORS if kind not in ("retrieval", "zero_shot", "geometry")]
    return [
        Other(kind, name, metric, value)
        for kind in kinds
        for name, values in _sets(metrics, kind).items()
        for metric, value in values.items()
    ]


def after_stages(metrics: Mapping[str, float]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The main numbers over the run: (names of the stages, (measure, values) rows).

    Metrics of a stage that is not the last have its name in front; those before the first step
    `start`, and those of the best step `best`. The last of the names is 'end'. Where there is
    nothing but the end there are no rows.
    """
    by_stage: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        stage, _, rest = name.partition("/")
        if rest.partition("/")[0] in ("retrieval", "zero_shot", "geometry"):
            by_stage.setdefault(stage, {})[rest] = value
    if not by_stage:
        return [], []
    columns = [*by_stage.values(), metrics]
    rows: dict[str, list[str]] = {}

    def put(label: str, column: int, value: str) -> None:
        rows.setdefault(label, ["-"] * len(columns))[column] = value

    for column, own in enumerate(columns):
        for row in retrieval(own):
            k = min(row.recall, default=None)
            if k is not None:
                label = f"{plain(row.name)}, {row.query} -> {row.answer}, R@{k}"
                put(label, column, percent(row.recall[k]))
        for named in zero_shot(own):
            if not named.language:
                put(f"{plain(named.name)}, top-1", column, percent(named.top_1))
        for measure in geometry(own):
            if measure.metric == "centroid_distance":
                for name, value in measure.values.items():
                    label = f"{plain(name)}, centroid distance"
                    put(label, column, geometry_value(measure.metric, value))
    return [*map(plain, by_stage), "end"], list(rows.items())


def geometry_value(metric: str, value: float) -> str:
    """A value of geometry as it is shown."""
    if metric == "linear_separability":
        return percent(value)
    return number(value, 1 if metric.startswith("effective_rank") else 3)

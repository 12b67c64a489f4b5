"""Evaluators: what is measured, on which source.

Each function returns `{type: {name: spec}}`; `recipe` merges them. A source is a spec, or the name
of another split of the training source.
"""

from collections.abc import Mapping
from typing import Any

from mmjax.configs.common.data import coco, held_out

Source = str | Mapping[str, Any]


def evaluator(kind: str, name: str, source: Source = "test", **options: Any) -> dict:
    """An evaluator of any type; its name becomes part of the names of its metrics."""
    for key in ("train", "paired", "gallery", "database", "vocabulary"):
        if isinstance(options.get(key), str):
            options[key] = held_out(options[key])
    source = held_out(source) if isinstance(source, str) else source
    return {kind: {name: {"source": source, **options}}}


def retrieval(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Retrieval recall and ranks, between all modalities or between `pairs`."""
    return evaluator("retrieval", name, source, **options)


def recall(name: str, *pairs: tuple[str, str], k: int = 1) -> tuple[str, ...]:
    """Names of the metrics R@k of pairs, both ways, of an evaluator such as `retrieval/test`."""
    return tuple(f"{name}/{a}_to_{b}/R@{k}" for pair in pairs for a, b in (pair, pair[::-1]))


def tuple_retrieval(name: str, source: Source = "test", **options: Any) -> dict:
    """Retrieval of an `answer` of some modalities for a `query` of others."""
    return evaluator("tuple_retrieval", name, source, **options)


def zero_shot(name: str, source: Source = "test", **options: Any) -> dict:
    """Zero-shot classification by embedded class names; `labels` defaults to `name`."""
    return evaluator("zero_shot", name, source, **{"labels": name, **options})


def probe(name: str = "test", source: Source = "test", train: Source = "train", **options) -> dict:
    """A linear probe: logistic regression fitted on `train`."""
    return evaluator("probe", name, source, train=train, **options)


def linear_map(
    name: str = "test", source: Source = "test", train: Source = "train", **options
) -> dict:
    """Retrieval by a closed-form linear map that is fitted on `train`."""
    return evaluator("linear_map", name, source, train=train, **options)


def geometry(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Modality gap, alignment and uniformity of two modalities."""
    return evaluator("geometry", name, source, **options)


def spectrum(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Effective rank of the embeddings of a modality."""
    return evaluator("spectrum", name, source, **options)


def structure(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Correlation of similarities with those of a `reference`."""
    return evaluator("structure", name, source, **options)


def coco_evaluators() -> list[dict]:
    """Retrieval between COCO's validation images and all of their captions."""
    return [retrieval("coco", coco("val"), alternatives="all"), geometry("coco", coco("val"))]

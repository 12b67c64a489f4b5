"""Evaluators: what is measured, on which source.

Each function gives `{type: {name: spec}}`, of which `recipe` merges as many as it is given. A
source is a spec, or the name of another split of the training source.
"""

from collections.abc import Mapping
from typing import Any

from mmjax.configs.common.data import coco, held_out

Source = str | Mapping[str, Any]


def evaluator(kind: str, name: str, source: Source = "test", **options: Any) -> dict:
    """Any evaluator, by its type; the name is its metrics'."""
    for key in ("train",):
        if isinstance(options.get(key), str):
            options[key] = held_out(options[key])
    source = held_out(source) if isinstance(source, str) else source
    return {kind: {name: {"source": source, **options}}}


def retrieval(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Recall and ranks, of each modality for each other, or of `pairs`."""
    return evaluator("retrieval", name, source, **options)


def tuple_retrieval(name: str, source: Source = "test", **options: Any) -> dict:
    """Recall of an `answer` of some modalities for a `query` of others."""
    return evaluator("tuple_retrieval", name, source, **options)


def zero_shot(name: str, source: Source = "test", **options: Any) -> dict:
    """Classification by the embedded names of classes; `labels` are those of `name`."""
    return evaluator("zero_shot", name, source, **{"labels": name, **options})


def probe(name: str = "test", source: Source = "test", train: Source = "train", **options) -> dict:
    """A logistic regression fitted on `train`."""
    return evaluator("probe", name, source, train=train, **options)


def geometry(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Where two modalities lie on the sphere: the gap, alignment, uniformity."""
    return evaluator("geometry", name, source, **options)


def spectrum(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """How many dimensions a modality's embeddings use."""
    return evaluator("spectrum", name, source, **options)


def structure(name: str = "test", source: Source = "test", **options: Any) -> dict:
    """Whether similarities are those of a `reference`."""
    return evaluator("structure", name, source, **options)


def coco_evaluators() -> list[dict]:
    """Retrieval among COCO's validation images and all of their captions."""
    return [retrieval("coco", coco("val"), alternatives="all"), geometry("coco", coco("val"))]

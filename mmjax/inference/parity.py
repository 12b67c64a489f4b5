"""Parity of an export with the model: differences of embeddings, and nearest neighbours.

The comparison runs on emoji images and names, which are part of the package, through the model's
own views; other modalities get random inputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.views import ImagePatchesView, ImageView, View
from mmjax.encoders import Encoder
from mmjax.files import write_atomically
from mmjax.inference import bundle
from mmjax.inference.model import Model
from mmjax.schema.names import modality_of
from mmjax.schema.registry import Spec
from mmjax.weights.files import WeightsError

TOLERANCE = 1e-4  # of unit embeddings in float32
ROWS, NEIGHBOURS = 48, 5
REPORT = "parity.json"


class ParityError(WeightsError):
    """An export or import whose embeddings differ; the report beside it has the differences."""


def samples(model: Model, rows: int = ROWS) -> tuple[dict[str, Any], list[str], list[bytes]]:
    """Inputs of every tower and fusion, and the texts and encoded images that they were made of.

    Args:
      model: whose towers get them.
      rows: how many.

    Returns:
      (modality -> [rows, ...], or of a fusion a tuple of them, captions, images).
    """
    source = EmojiSource(split="new_style")
    step = len(source) // rows
    records = [source[i * step] for i in range(rows)]

    def first(value: Any) -> Any:
        return value[0] if isinstance(value, list | tuple) else value

    texts = [first(record["text"]) for record in records]
    pictures = [first(record["image"]) for record in records]
    views = model.bundle.views
    raw = {}
    if isinstance(views.get("image"), ImageView | ImagePatchesView):
        raw["image"] = pictures
    said = views.get("text")
    # And not vectors, of features computed elsewhere.
    if isinstance(said, View) and said.reads_text and said.tokenizer is not None:
        raw["text"] = texts
    inputs: dict[str, Any] = {}
    for modality in model.bundle.towers:
        if modality in raw:
            inputs[modality] = model.prepare(modality, raw[modality])
        else:
            inputs[modality] = _random(model.bundle.towers[modality].encoder, modality, rows)
    for name, own in model.fused.items():
        # Two inputs of one tower should differ.
        inputs[name] = tuple(
            np.roll(inputs[modality_of(each)], number, axis=0) for number, each in enumerate(own)
        )
    return inputs, texts, pictures


def _random(spec: Spec[Encoder], modality: str, rows: int) -> np.ndarray:
    """Inputs for a tower whose views are not known."""
    if isinstance(stem := spec.options.get("stem"), Spec):  # of a tower of a shared trunk
        return _random(stem, modality, rows)
    rng, encoder = np.random.default_rng(0), spec.options
    if spec.type == "text_transformer":
        special = (encoder["pad_id"], encoder["eos_id"])
        usual = np.setdiff1d(np.arange(encoder["vocab_size"]), special)
        ids = rng.choice(usual, (rows, encoder["length"])).astype(np.int32)
        ids[:, -1] = encoder["eos_id"]
        return ids
    if "image_size" in encoder:
        shape = (*encoder["image_size"], encoder.get("channels", 3))
    elif "frames" in encoder:
        shape = (encoder["frames"], encoder["mels"])
        if encoder.get("fusion_reduction") is not None:
            x = rng.normal(size=(rows, 4, *shape)).astype(np.float32)
            x[1::2] = x[1::2, :1]  # short ones, of which all four are the same
            return x
    elif "samples" in encoder:
        return rng.normal(size=(rows, encoder["samples"])).astype(np.float32) / 4
    elif "inputs" in encoder:
        shape = (encoder["inputs"],)
    else:
        raise WeightsError(
            f"the inputs of {modality!r} are not known, so its parity cannot be measured"
        )
    return rng.normal(size=(rows, *shape)).astype(np.float32)


def compare(
    ours: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    *,
    log_scale: float | None,
    bias: float | None,
    their_logits: np.ndarray | None = None,
    compared_with: str,
    more: Mapping[str, Any] | None = None,
    must_be_zero: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The report of two sets of unit embeddings.

    Args:
      ours, theirs: modality -> f32[N, D], unit rows.
      log_scale, bias: of our logits; None compares no logits.
      their_logits: f32[N, N], image by text, where the other side gives them itself.
      compared_with: what computed `theirs`.
      more: further numbers for the report.
      must_be_zero: names of those of `more` that have to be 0.

    Returns:
      The report; its `passed` says whether all differences are within the tolerance.
    """
    rows = len(next(iter(ours.values())))
    report: dict[str, Any] = {"compared_with": compared_with, "tolerance": TOLERANCE, "rows": rows}
    passed = True
    for modality, own in ours.items():
        other = np.asarray(theirs[modality], np.float32)
        report[modality] = _differences(own, other)
        # Of each row among the others of its modality.
        near = [x @ x.T - 4 * np.eye(rows, dtype=np.float32) for x in (own, other)]
        report[modality][f"top_{NEIGHBOURS}_agreement"] = _agreement(*near)
        passed &= bool(report[modality]["max_abs"] <= TOLERANCE)
    names = [m for m in ("image", "text") if m in ours]
    names = names if len(names) == 2 else list(ours)[:2]
    if len(names) == 2 and ours[names[0]].shape[1] == ours[names[1]].shape[1]:
        a, b = names
        own = ours[a] @ ours[b].T
        if their_logits is None:
            other = np.asarray(theirs[a]) @ np.asarray(theirs[b]).T
        if log_scale is not None:
            own = np.exp(np.float32(log_scale)) * own + np.float32(bias or 0.0)
            if their_logits is None:
                other = np.exp(np.float32(log_scale)) * other + np.float32(bias or 0.0)
        other = their_logits if their_logits is not None else other
        report["logits"] = _differences(own, other)
        report[f"top_{NEIGHBOURS}_agreement"] = _agreement(own, other)
        # A logit is a cosine times the scale, and so is its rounding.
        allowed = TOLERANCE * max(1.0, float(np.exp(log_scale or 0.0)))
        passed &= bool(report["logits"]["max_abs"] <= allowed)
    report |= dict(more or {})
    passed &= all(not report.get(name) for name in must_be_zero)
    return {**report, "passed": passed}


def _differences(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    if a.shape != b.shape:
        raise WeightsError(f"embeddings of shape {a.shape} against {b.shape}")
    difference = np.abs(a.astype(np.float64) - b)
    largest = float(np.abs(b).max())
    # Not a number is as far away as can be.
    worst = float(np.nan_to_num(difference.max(), nan=np.inf))
    return {
        "max_abs": worst,
        "mean_abs": float(difference.mean()),
        "max_relative": worst / max(largest, 1e-12),
    }


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """The share of the nearest neighbours of each row that both have."""
    k = min(NEIGHBOURS, a.shape[1])
    near = [np.argsort(-x, axis=1, kind="stable")[:, :k] for x in (a, b)]
    return float(np.mean([len(set(x) & set(y)) / k for x, y in zip(*near, strict=True)]))


def ours(model: Model, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The model's own embeddings of ready inputs."""
    return {
        m: model.embed(m, x) if m in model.fused else model.encode(progress=False, **{m: x})
        for m, x in inputs.items()
    }


def finish(report: Mapping[str, Any], file: Path) -> str:
    """Writes a report and says in a line what it holds.

    Raises:
      ParityError: when the report did not pass.
    """
    write_atomically(file, json.dumps(report, indent=2) + "\n")
    parts = [
        f"{name} {value['max_abs']:.1e}"
        for name, value in report.items()
        if isinstance(value, dict)
    ]
    line = f"parity with {report['compared_with']}: largest differences {', '.join(parts)}"
    if not report["passed"]:
        raise ParityError(
            f"{line}; that is more than {report['tolerance']:g} (or tokens differ): what was "
            f"compared is not to be used, see {file}"
        )
    return line


def by_reading_back(folder: Path) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """The embeddings of a written folder, read by this package."""
    other = Model(bundle.load(folder, dtype="float32"))
    return lambda inputs: ours(other, inputs)

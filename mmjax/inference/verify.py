"""Parity of foreign weights: embeddings here against those of their own library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from mmjax import extras
from mmjax.errors import ConfigError
from mmjax.inference import bundle, parity, with_torch
from mmjax.inference.model import Model
from mmjax.weights import foreign
from mmjax.weights.preprocessing import PROCESSOR

_WHOLE = {
    "clap": "ClapModel",
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
}
_ALONE = (
    "clip_vision_model",
    "clip_text_model",
    "metaclip_2_vision_model",
    "metaclip_2_text_model",
    "siglip_vision_model",
    "siglip_text_model",
    "siglip2_vision_model",
    "siglip2_text_model",
    "clap_audio_model",
    "clap_text_model",
    "vit",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_vit",
    "convnext",
    "convnextv2",
    "bert",
    "roberta",
    "xlm-roberta",
    "mpnet",
    "distilbert",
    "modernbert",
    "gpt2",
    "audio-spectrogram-transformer",
    "whisper",
    "wav2vec2",
    "hubert",
)
# Whose own extractor has to be there, since nothing that is ready for them is given to both.
_WAVES = ("whisper", "wav2vec2", "hubert")
_FILES = {
    "transformers": ("model.safetensors", "model.safetensors.index.json"),
    "open_clip": ("open_clip_model.safetensors",),
}


def verify(path: str | Path, out: str | Path) -> tuple[Path, str]:
    """Compares a folder of foreign weights as read here with its own library.

    Args:
      path: the folder, in Hugging Face's or open_clip's layout.
      out: the folder for `parity.json`; made if missing. (The weights' folder is left as it is.)

    Returns:
      (the folder, a line on parity).

    Raises:
      ConfigError: for weights that no library of ours to compare with computes.
      MissingExtra: without that library.
      ParityError: when the embeddings differ.
    """
    weights, target = foreign.Weights(str(path)), Path(out).expanduser()
    why = _of_no_library(weights)
    if why is not None:
        raise ConfigError(f"{path} cannot be compared: {why}")
    for package in ("torch", weights.native):
        extras.find(package, "torch", "comparing")
    report = compared(weights)
    target.mkdir(parents=True, exist_ok=True)
    return target, parity.finish(report, target / parity.REPORT)


def unable(weights: foreign.Weights) -> str | None:
    """Why weights cannot be compared with their own library here; None where they can."""
    why = _of_no_library(weights)
    absent = with_torch.missing("torch", weights.native)
    if why is not None or not absent:
        return why
    one = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {one} not installed (pip install 'mmjax[torch]')"


def _of_no_library(weights: foreign.Weights) -> str | None:
    """Why no library reads a folder as it is; None where one does."""
    kind, names = _kind(weights), _FILES[weights.native]
    if kind not in (*_WHOLE, *_ALONE, "open_clip"):
        return f"there is no library to compare weights of model_type={kind!r} with"
    if kind in _WAVES and weights.folder.file(PROCESSOR) is None:
        return f"there is no {PROCESSOR}, which says how it prepares sounds"
    if not any(weights.folder.inside(name).is_file() for name in names):
        return f"{weights.native} reads weights that are called {names[0]} only"
    return None


def compared(weights: foreign.Weights, rows: int = parity.ROWS) -> dict[str, Any]:
    """The parity report of all towers of a folder, as its own config says them.

    One device of this process computes our side, in full float32: in a run of many processes one
    of them can do it alone.

    Args:
      weights: the folder; `unable` gives None for it.
      rows: how many images and texts.
    """
    kind, folder = _kind(weights), weights.folder.path
    model = Model(bundle.of_weights(weights, devices=jax.local_devices()[:1]))
    inputs, _, _ = parity.samples(model, rows)
    # Accelerators round the factors of a float32 product unless they are told not to.
    with jax.default_matmul_precision("highest"):
        own = parity.ours(model, inputs)
    logits: Any = None
    if kind == "open_clip":
        theirs, logits, who = with_torch.open_clip(folder, inputs)
    elif kind in _WHOLE:
        pad_id = model.bundle.towers["text"].encoder.options["pad_id"] if kind == "clap" else None
        theirs, logits, who = with_torch.transformers(folder, _WHOLE[kind], inputs, pad_id)
    else:
        ((modality, values),) = inputs.items()
        encoder = model.bundle.towers[modality].encoder
        dense = None if weights.dense is None else weights.dense.path
        unit, who = with_torch.one_tower(folder, modality, encoder, values, dense)
        theirs = {modality: unit}
    return parity.compare(
        own,
        theirs,
        log_scale=model.log_scale,
        bias=model.bias,
        their_logits=logits,
        compared_with=who,
    )


def _kind(weights: foreign.Weights) -> str:
    return weights.config["model_type"] if weights.native == "transformers" else "open_clip"

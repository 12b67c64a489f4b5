"""Parity of foreign weights: what we read of a folder against what its own library computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmjax import extras
from mmjax.checkpoints.weights import foreign
from mmjax.config import ConfigError
from mmjax.export import parity, with_torch

_WHOLE = {"clap": "ClapModel", "clip": "CLIPModel", "siglip": "SiglipModel"}
_BARE = ("vit", "dinov2", "dinov2_with_registers", "bert", "roberta", "xlm-roberta",
         "audio-spectrogram-transformer")  # fmt: skip


def verify(path: str | Path, out: str | Path) -> tuple[Path, str]:
    """Compares a folder of foreign weights as read here with its own library.

    Args:
      path: the folder, in Hugging Face's or open_clip's layout.
      out: the folder for `parity.json`; made if missing. (The weights' folder is left as it is.)

    Returns:
      (the folder, a line on parity).

    Raises:
      ConfigError: for weights that no library of ours to compare with computes, or without it.
      ParityError: when the embeddings differ.
    """
    from mmjax import api

    weights, target = foreign.Weights(str(path)), Path(out).expanduser()
    kind = weights.config.get("model_type") if weights.native == "transformers" else "open_clip"
    if kind not in (*_WHOLE, *_BARE, "open_clip"):
        raise ConfigError(f"there is no library to compare weights of model_type={kind!r} with")
    for package in ("torch", weights.native):
        extras.find(package, "torch", "comparing")
    model = api.load(path, dtype="float32")
    inputs, _, _ = parity.samples(model)
    own = parity.ours(model, inputs)
    logits: Any = None
    if kind == "open_clip":
        theirs, logits, who = with_torch.open_clip(Path(path), inputs)
    elif kind in _WHOLE:
        pad_id = model.bundle.towers["text"]["encoder"]["pad_id"] if kind == "clap" else None
        theirs, logits, who = with_torch.transformers(Path(path), _WHOLE[kind], inputs, pad_id)
    else:
        ((modality, values),) = inputs.items()
        encoder = model.bundle.towers[modality]["encoder"]
        unit, who = with_torch.one_tower(Path(path), modality, encoder, values)
        theirs = {modality: unit}
    report = parity.compare(
        own, theirs, log_scale=model.log_scale, bias=model.bias, their_logits=logits,
        compared_with=who,
    )  # fmt: skip
    target.mkdir(parents=True, exist_ok=True)
    return target, parity.finish(report, target)

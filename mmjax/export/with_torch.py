"""The written folders, run by the libraries they are for; needs the extra `torch`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmjax.export import preprocessing


def missing(*names: str) -> list[str]:
    """Those of these modules that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """No library asks a hub for anything while this is open."""
    before = {name: os.environ.get(name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _unit(x: Any) -> np.ndarray:
    x = x.detach().float().numpy()
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _pixels(images: np.ndarray) -> Any:
    import torch

    return torch.tensor(np.asarray(images, np.float32)).permute(0, 3, 1, 2)


def _spectrograms(values: np.ndarray, config: Any) -> dict[str, Any]:
    """What `ClapModel` takes: four times the same spectrogram of a short sound, where it fuses."""
    import torch

    x = torch.tensor(values)[:, None]
    if config.audio_config.enable_fusion:
        x = x.repeat(1, 4, 1, 1)
    return {"input_features": x, "is_longer": torch.zeros(len(x), 1, dtype=torch.bool)}


def transformers(
    folder: Path, family: str, inputs: Mapping[str, np.ndarray], pad_id: int | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """(unit embeddings, logits of pictures or sounds by texts, what computed them).

    Args:
      folder: of the weights.
      family: name of the library's class.
      inputs: of `text`, and of `image` or `audio`.
      pad_id: of padding that the model is told of; None where it attends to all positions.
    """
    import torch
    import transformers as library

    other = "image" if "image" in inputs else "audio"
    with offline(), torch.no_grad():
        model, info = getattr(library, family).from_pretrained(
            folder, output_loading_info=True, local_files_only=True
        )
        wrong = {k: v for k, v in info.items() if v and "error" not in k}
        if wrong:
            raise ValueError(f"{family} does not find its parameters in {folder}: {wrong}")
        ids = torch.tensor(inputs["text"]).long()
        given: dict[str, Any] = {"input_ids": ids}
        if pad_id is not None:
            given["attention_mask"] = (ids != pad_id).long()
        if other == "image":
            given["pixel_values"] = _pixels(inputs["image"])
        else:
            given |= _spectrograms(inputs["audio"], model.config)
        out = model.eval()(**given)
    units = {other: _unit(out[f"{other}_embeds"]), "text": _unit(out.text_embeds)}
    logits = out[f"logits_per_{other}"].numpy()
    return units, logits, f"transformers {library.__version__}, {family}"


def one_tower(
    folder: Path, modality: str, encoder: Mapping[str, Any], values: np.ndarray
) -> tuple[np.ndarray, str]:
    """(unit embeddings, what computed them) of a folder with a tower without projection."""
    import torch
    import transformers as library

    with offline(), torch.no_grad():
        model = library.AutoModel.from_pretrained(folder, local_files_only=True).eval()
        name = f"transformers {library.__version__}, {type(model).__name__}"
        if modality == "audio":
            return _unit(model(input_values=torch.tensor(values)).pooler_output), name
        if modality == "image":
            tokens = model(pixel_values=_pixels(values)).last_hidden_state
            return _unit(tokens[:, 0]), name
        ids = torch.tensor(values).long()
        real = ids != encoder["pad_id"]
        tokens = model(input_ids=ids, attention_mask=real.long()).last_hidden_state
        if encoder["pool"] == "cls":
            return _unit(tokens[:, 0]), name
        weight = real[:, :, None].float()
        return _unit((tokens * weight).sum(1) / weight.sum(1)), name


def transformers_inputs(
    folder: Path, view: Any, texts: Sequence[str], pictures: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Inputs as the folder's own tokenizer and image processor make them.

    `same_text` says which texts the library tokenises as they are: all.
    """
    import transformers as library

    with offline():
        tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        ids = tokenizer(
            list(texts), padding="max_length", truncation=True, return_tensors="np"
        ).input_ids
        processor = library.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        images = [preprocessing.opened(view, picture) for picture in pictures]
        pixels = processor(images=images, return_tensors="np").pixel_values
    return {
        "text": np.asarray(ids, np.int32),
        "image": np.asarray(pixels).transpose(0, 2, 3, 1),
        "same_text": np.ones(len(texts), bool),
    }


def open_clip(
    folder: Path, inputs: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """(unit embeddings, logits image by text, what computed them)."""
    import open_clip as library
    import torch

    with offline(), torch.no_grad():
        model, _, _ = library.create_model_and_transforms(f"local-dir:{folder}")
        model.eval()
        image = _unit(model.encode_image(_pixels(inputs["image"])))
        text = _unit(model.encode_text(torch.tensor(inputs["text"]).long()))
        logits = float(model.logit_scale.exp()) * image @ text.T
        if model.logit_bias is not None:
            logits = logits + float(model.logit_bias)
    return {"image": image, "text": text}, logits, f"open_clip {library.__version__}"


def open_clip_inputs(
    folder: Path, view: Any, texts: Sequence[str], pictures: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Inputs as open_clip's tokenizer and transform of the folder make them.

    `same_text` says which texts it tokenises as they are: others it cleans first, whatever the
    tokenizer (typographic quotes become plain ones).
    """
    import open_clip as library

    with offline():
        _, _, transform = library.create_model_and_transforms(f"local-dir:{folder}")
        tokenizer = library.get_tokenizer(f"local-dir:{folder}")
        ids = tokenizer(list(texts))
        pixels = [transform(preprocessing.opened(view, picture)).numpy() for picture in pictures]
    return {
        "text": np.asarray(ids, np.int32),
        "image": np.stack(pixels).transpose(0, 2, 3, 1),
        "same_text": np.array([tokenizer.clean_fn(t) == " ".join(t.split()) for t in texts]),
    }

"""The written folders, run by the libraries they are for; needs the extra `torch`."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from mmjax.encoders import Encoder
from mmjax.encoders.text import real_positions
from mmjax.inference import preprocessing
from mmjax.schema.registry import Spec

# Files of the folder and nothing else: no hub, no program that a config names.
_OWN_FILES = {"local_files_only": True, "trust_remote_code": False}
# Whose `pooler_output` at the class token is what this package pools.
_POOLED = ("clip_vision_model", "metaclip_2_vision_model")
# For which `AutoModel` has no class, although the library has one.
_NOT_AUTOMATIC = ("siglip_text_model", "siglip2_text_model", "clap_text_model", "clap_audio_model")


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
    rows: np.ndarray = x.detach().float().numpy()
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _pixels(images: np.ndarray) -> Any:
    import torch

    return torch.tensor(np.asarray(images, np.float32)).permute(0, 3, 1, 2)


def _images(values: np.ndarray) -> dict[str, Any]:
    """What a model of images takes, of f[B, H, W, C] or of patches of the view `image_patches`."""
    import torch

    if values.ndim == 4:
        return {"pixel_values": _pixels(values)}
    there = ~np.isnan(values[..., 0])
    filled = np.where(there[..., None], values, 0)
    return {
        "pixel_values": torch.tensor(filled[..., 2:]),
        "pixel_attention_mask": torch.tensor(there),
        "spatial_shapes": torch.tensor(filled[..., :2].max(1) + 1).long(),
    }


def _spectrograms(values: np.ndarray, config: Any) -> dict[str, Any]:
    """What `ClapModel` takes of f[B, T, mels], or of f[B, 4, T, mels] where it fuses."""
    import torch

    x = torch.tensor(values if values.ndim == 4 else values[:, None])
    if getattr(config, "audio_config", config).enable_fusion and x.shape[1] == 1:
        x = x.repeat(1, 4, 1, 1)
    return {"input_features": x, "is_longer": (x != x[:, :1]).flatten(1).any(1)[:, None]}


def _prepared(folder: Path, encoder: Spec[Encoder], values: np.ndarray) -> np.ndarray:
    """What a model of sounds takes: of waveforms, what the folder's own extractor makes of them."""
    if "samples" not in encoder.options:
        return values
    import transformers as library

    extractor = library.AutoFeatureExtractor.from_pretrained(folder, **_OWN_FILES)
    # Both take the same rate, or the weights would have been refused.
    rate = extractor.sampling_rate
    made = extractor(list(values), sampling_rate=rate, return_tensors="np")
    return np.asarray(made[extractor.model_input_names[0]], np.float32)


def transformers(
    folder: Path, family: str, inputs: Mapping[str, np.ndarray], pad_id: int | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """(unit embeddings, logits of images or sounds by texts, what computed them).

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
            folder, output_loading_info=True, local_files_only=True, use_safetensors=True
        )
        wrong = {k: v for k, v in info.items() if v and "error" not in k}
        if wrong:
            raise ValueError(f"{family} does not find its parameters in {folder}: {wrong}")
        ids = torch.tensor(inputs["text"]).long()
        given: dict[str, Any] = {"input_ids": ids}
        if pad_id is not None:
            given["attention_mask"] = (ids != pad_id).long()
        if other == "image":
            given |= _images(inputs["image"])
        else:
            given |= _spectrograms(inputs["audio"], model.config)
        out = model.eval()(**given)
    units = {other: _unit(out[f"{other}_embeds"]), "text": _unit(out.text_embeds)}
    logits = out[f"logits_per_{other}"].numpy()
    return units, logits, f"transformers {library.__version__}, {family}"


def one_tower(
    folder: Path,
    modality: str,
    encoder: Spec[Encoder],
    values: np.ndarray,
    dense: Path | None = None,
) -> tuple[np.ndarray, str]:
    """(unit embeddings, what computed them) of a folder with one tower.

    Args:
      folder: of the weights.
      modality: of the tower.
      encoder: its spec here.
      values: [B, ...], inputs of the tower.
      dense: folder of a Dense of sentence-transformers that follows.
    """
    import torch
    import transformers as library

    with offline(), torch.no_grad():
        config = library.AutoConfig.from_pretrained(folder, **_OWN_FILES)
        (named,) = config.architectures or ("",)
        # A projection is no part of what the library takes for the model of a config.
        explicit = "WithProjection" in named or config.model_type in _NOT_AUTOMATIC
        kind = getattr(library, named) if explicit else library.AutoModel
        model = kind.from_pretrained(folder, use_safetensors=True, **_OWN_FILES).eval()
        name = f"transformers {library.__version__}, {type(model).__name__}"
        if modality == "image":
            out = model(**_images(values))
        elif modality == "audio" and encoder.type == "htsat":
            out = model(**_spectrograms(values, config))
        elif modality == "audio":
            x = torch.tensor(_prepared(folder, encoder, values))
            if encoder.type == "whisper":
                return _unit(model.get_encoder()(x).last_hidden_state.mean(1)), name
            out = model(input_values=x)
            if encoder.type == "wav2vec2":
                return _unit(out.last_hidden_state.mean(1)), name
        else:
            ids, told = torch.tensor(values).long(), encoder.options
            there = np.array(real_positions(jnp.asarray(values), told["pad_id"], told["eos_id"]))
            real = torch.tensor(there) if encoder.options["mask_padding"] else torch.ones_like(ids)
            out = model(input_ids=ids, attention_mask=real.long())
    projected = getattr(out, f"{modality}_embeds", None)
    if projected is not None:
        return _unit(projected), name
    if encoder.options.get("pool") == "mean":
        weight = real[:, :, None].float()
        pooled = (out.last_hidden_state * weight).sum(1) / weight.sum(1)
    elif encoder.options.get("pool") == "last" and "pooler_output" not in out:
        last = there.shape[1] - 1 - there[:, ::-1].argmax(1)
        pooled = out.last_hidden_state[range(len(last)), last]
    elif encoder.options.get("pool") == "cls" and config.model_type not in _POOLED:
        pooled = out.last_hidden_state[:, 0]
    else:
        pooled = out.pooler_output
    return _unit(pooled if dense is None else _through(dense, pooled)), name


def _through(folder: Path, x: Any) -> Any:
    """A Dense of sentence-transformers."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    activation = json.loads((folder / "config.json").read_text(encoding="utf-8")).get(
        "activation_function", "Tanh"
    )
    y = torch.nn.functional.linear(x, tensors["linear.weight"], tensors.get("linear.bias"))
    return getattr(torch.nn, activation.rpartition(".")[2])()(y)


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

"""Preprocessing of foreign models: the views of images, sounds and texts that they were trained on.

They follow the folder's `preprocessor_config.json` (or open_clip's `preprocess_cfg`) and its
`tokenizer.json`, including the marks that the latter puts around a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmjax import extras
from mmjax.data.registry import TOKENIZERS, VIEWS
from mmjax.data.views import View
from mmjax.encoders import Encoder
from mmjax.schema.registry import Spec
from mmjax.weights import sentence
from mmjax.weights.families import clap, wav2vec2, whisper
from mmjax.weights.files import Folder, WeightsError

_INTERPOLATION: Mapping[Any, str] = {
    2: "bilinear",
    3: "bicubic",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
}
_NO_SHARE = 384
TOKENIZER = "tokenizer.json"
PROCESSOR = "preprocessor_config.json"


class Specs(NamedTuple):
    """How a folder's inputs are prepared, as a recipe says it.

    Attributes:
      views: modality -> spec of its view; a modality whose files are not there has none.
      tokenizer: spec of the tokenizer; None where there is none.
      pad_id: the id that the tokenizer pads with; None where that is the encoder's.
    """

    views: dict[str, dict[str, Any]]
    tokenizer: dict[str, Any] | None
    pad_id: int | None = None

    def build(self, where: str) -> dict[str, View]:
        """The views; `where` names the folder for messages."""
        tokenizer = None
        if self.tokenizer is not None:
            tokenizer = TOKENIZERS.parse(self.tokenizer, "tokenizer", where).build()
        return {
            name: VIEWS.parse(spec, name, where).build(tokenizer=tokenizer)
            for name, spec in self.views.items()
        }


def specs(
    folder: Folder, open_clip: Mapping[str, Any] | None, encoders: Mapping[str, Spec[Encoder]]
) -> Specs:
    """The views and the tokenizer of a folder of foreign weights.

    Args:
      folder: with their files.
      open_clip: the open_clip_config.json; None in Hugging Face's layout.
      encoders: modality -> encoder, which decides sizes and lengths.

    Raises:
      WeightsError: for files that are damaged, or what no view here does.
      MissingExtra: for a tokenizer without the extra `tokenizers`.
    """
    found: dict[str, dict[str, Any]] = {}
    tokenizer, pad_id = None, None
    if "image" in encoders and encoders["image"].type == "naflex_vit":
        if (config := _processor(folder, "image_processor")) is not None:
            found["image"] = _image_patches(config, encoders["image"].options["patch"], folder)
    elif "image" in encoders:
        size = encoders["image"].options["image_size"]
        if open_clip is not None:
            found["image"] = _open_clip_image(open_clip.get("preprocess_cfg") or {}, size)
        elif (config := _processor(folder, "image_processor")) is not None:
            found["image"] = _image(config, size, folder)
    if "audio" in encoders and encoders["audio"].type == "htsat":
        config = _processor(folder, "feature_extractor")
        if config is not None:
            fuses = encoders["audio"].options["fusion_reduction"] is not None
            found["audio"] = clap.view(config, fuses=fuses)
    if "audio" in encoders and "samples" in encoders["audio"].options:
        found["audio"] = _audio(encoders["audio"], _processor(folder, "feature_extractor"))
    if "text" in encoders and folder.file(TOKENIZER) is not None:
        encoder = encoders["text"].options
        tokenizer, text, pad_id = _tokenizer(folder, encoder["pad_id"])
        length = min(encoder["length"], sentence.longest(folder) or encoder["length"])
        found["text"] = {"type": "text", "length": length, **text}
    return Specs(found, tokenizer, pad_id)


def _processor(folder: Folder, section: str) -> dict[str, Any] | None:
    """The options of a folder's preprocessing, in a file of their own or as a section."""
    own = folder.json(PROCESSOR)
    return own or (folder.json("processor_config.json") or {}).get(section)


def _image(config: Mapping[str, Any], size: tuple[int, int], folder: Folder) -> dict[str, Any]:
    how = config.get("size") or {}
    # A size of two sides is reached by squashing, one of the shortest edge by cropping.
    crop = config.get("do_center_crop") or isinstance(how, int) or "shortest_edge" in how
    shortest = how if isinstance(how, int) else how.get("shortest_edge")
    # ConvNeXt's has a share in place of a size to crop; larger images than 384 are squashed.
    if share := config.get("crop_pct"):
        crop = shortest is not None and shortest < _NO_SHARE
        shortest = int(shortest / share) if crop else None
    # Of another size than the folder's there is as much of the image to see.
    cut = config.get("crop_size") or {}
    cut = cut if isinstance(cut, int) else cut.get("height")
    if cut and shortest and not config.get("crop_pct"):
        shortest = round(shortest * min(size) / cut)
    interpolation = _interpolation(config.get("resample", 3), folder)
    seen = {"shortest": shortest} if crop and shortest and shortest > max(size) else {}
    return {
        "type": "image",
        "size": (size[0], size[1]),
        "fit": "crop" if crop else "squash",
        **seen,
        "mean": tuple(config.get("image_mean") or (0.5,) * 3),
        "std": tuple(config.get("image_std") or (0.5,) * 3),
        "interpolation": interpolation,
    }


def _image_patches(config: Mapping[str, Any], patch: int, folder: Folder) -> dict[str, Any]:
    if config.get("patch_size", patch) != patch:
        raise WeightsError(
            f"{folder.path / PROCESSOR}: patch_size={config['patch_size']} is not the {patch} of "
            "config.json"
        )
    return {
        "type": "image_patches",
        "patch": patch,
        "max_patches": config.get("max_num_patches", 256),
        "mean": tuple(config.get("image_mean") or (0.5,) * 3),
        "std": tuple(config.get("image_std") or (0.5,) * 3),
        "interpolation": _interpolation(config.get("resample", 2), folder),
    }


def _interpolation(resample: Any, folder: Folder) -> str:
    if resample not in _INTERPOLATION:
        raise WeightsError(
            f"{folder.path / PROCESSOR}: resample={resample!r} is neither bilinear (2) nor "
            "bicubic (3)"
        )
    return _INTERPOLATION[resample]


def _open_clip_image(config: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    fits = {"shortest": "crop", "longest": "pad", "squash": "squash"}
    # open_clip's defaults are OpenAI's statistics.
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    fit = fits.get(config.get("resize_mode") or "shortest", "crop")
    border = {"background": _fill(config.get("fill_color") or 0)} if fit == "pad" else {}
    return {
        "type": "image",
        "size": (size[0], size[1]),
        "fit": fit,
        **border,
        "mean": tuple(config.get("mean") or mean),
        "std": tuple(config.get("std") or std),
        "interpolation": _INTERPOLATION.get(config.get("interpolation"), "bicubic"),
    }


def _audio(encoder: Spec[Encoder], config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The view of an encoder of waveforms, which are prepared on the device."""
    if encoder.type == "whisper" and config is not None:
        whisper.check(config, encoder.options["spectrogram"].mels)
    if encoder.type == "wav2vec2" and config is not None:
        wav2vec2.check(config)
    of_spectrograms = encoder.options.get("spectrogram")
    rate = wav2vec2.RATE if of_spectrograms is None else of_spectrograms.rate
    return {"type": "audio", "rate": rate, "length": encoder.options["samples"]}


def _fill(value: Any) -> str:
    names = {0: "black", 128: "grey", 255: "white"}
    if value not in names:
        raise WeightsError(
            f"preprocess_cfg: fill_color={value!r} is none of 0, 128 and 255, which views have"
        )
    return names[value]


def _tokenizer(folder: Folder, pad_id: int) -> tuple[dict[str, Any], dict[str, bool], int]:
    """(spec of a folder's tokenizer, options of the text view that go with it, id of padding).

    Args:
      folder: with a `tokenizer.json`.
      pad_id: of the encoder, where the folder does not say what pads.
    """
    tokenizers = extras.needs("tokenizers", "tokenizers", f"the tokenizer of {folder.path}")
    file = folder.inside(TOKENIZER)
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise WeightsError(f"{file} is damaged: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = folder.json("tokenizer_config.json") or {}

    def named(role: str) -> str | None:
        token = config.get(f"{role}_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        return token if token is None or tokenizer.token_to_id(token) is not None else None

    whole, bare = (tokenizer.encode("a", add_special_tokens=marks) for marks in (True, False))
    size = len(bare.ids)
    start = next((k for k, _ in enumerate(whole.ids) if whole.ids[k : k + size] == bare.ids), 0)
    before, after = whole.tokens[:start], whole.tokens[start + size :]
    if not size or len(before) > 1 or len(after) > 1:
        raise WeightsError(
            f"{file} makes {whole.tokens} of 'a': a text view puts at most one mark before a text "
            "and one behind it"
        )
    pad = named("pad") or tokenizer.id_to_token(pad_id)
    if pad is None:
        raise WeightsError(f"{file} has no token with the id {pad_id} of padding")
    spec = {"type": "huggingface", "path": str(file), "pad": pad, "unk": named("unk")}
    spec |= {"bos": before[0] if before else None, "eos": after[0] if after else None}
    lowercase = bool(config.get("do_lower_case"))
    marks = {"bos": bool(before), "eos": bool(after), "lowercase": lowercase}
    return spec, marks, tokenizer.token_to_id(pad)

"""Preprocessing of foreign models: the views of images and texts that they were trained on.

They follow the folder's `preprocessor_config.json` (or open_clip's `preprocess_cfg`) and its
`tokenizer.json`, including the marks that the latter puts around a text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmjax import extras
from mmjax.data.records import unusable
from mmjax.data.views.base import pick
from mmjax.data.views.image import ImageView
from mmjax.model.config import TowerConfig
from mmjax.weights.families.clap_sound import ClapSound
from mmjax.weights.files import Folder, WeightsError

_INTERPOLATION: Mapping[Any, Literal["bilinear", "bicubic"]] = {
    2: "bilinear",
    3: "bicubic",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
}


def views(weights: Any, towers: Mapping[str, TowerConfig]) -> dict[str, Callable[..., np.ndarray]]:
    """The views of a folder's towers; a modality whose files are not there has none."""
    with weights.folder.understood():
        return _views(weights, towers)


def _views(weights: Any, towers: Mapping[str, TowerConfig]) -> dict[str, Callable[..., np.ndarray]]:
    found: dict[str, Callable[..., np.ndarray]] = {}
    if "image" in towers:
        size = towers["image"].encoder.options["image_size"]
        if weights.native == "open_clip":
            found["image"] = _open_clip_image(weights.config.get("preprocess_cfg") or {}, size)
        else:
            config = _processor(weights.folder, "image_processor")
            if config is not None:
                found["image"] = _image(config, size, weights.folder)
    if "audio" in towers and towers["audio"].encoder.type == "htsat":
        config = _processor(weights.folder, "feature_extractor")
        if config is not None:
            fuses = towers["audio"].encoder.options["fusion_reduction"] is not None
            found["audio"] = ClapSound(config, fuses=fuses)
    if "text" in towers and weights.folder.file("tokenizer.json") is not None:
        found["text"] = FolderText(weights.folder, towers["text"].encoder.options)
    return found


def _processor(folder: Folder, section: str) -> dict[str, Any] | None:
    """The options of a folder's preprocessing, in a file of their own or as a section."""
    own = folder.json("preprocessor_config.json")
    return own or (folder.json("processor_config.json") or {}).get(section)


def _image(config: Mapping[str, Any], size: tuple[int, int], folder: Folder) -> ImageView:
    how = config.get("size") or {}
    # A size of two sides is reached by squashing, one of the shortest edge by cropping.
    crop = config.get("do_center_crop") or isinstance(how, int) or "shortest_edge" in how
    resample = config.get("resample", 3)
    if resample not in _INTERPOLATION:
        raise WeightsError(
            f"{folder.path}/preprocessor_config.json: resample={resample!r} is neither bilinear "
            "(2) nor bicubic (3)"
        )
    return ImageView(
        size=(size[0], size[1]),
        fit="crop" if crop else "squash",
        mean=tuple(config.get("image_mean") or (0.5,) * 3),
        std=tuple(config.get("image_std") or (0.5,) * 3),
        interpolation=_INTERPOLATION[resample],
    )


def _open_clip_image(config: Mapping[str, Any], size: tuple[int, int]) -> ImageView:
    fits: Mapping[str, Literal["crop", "squash", "pad"]]
    fits = {"shortest": "crop", "longest": "pad", "squash": "squash"}
    # open_clip's defaults are OpenAI's statistics.
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return ImageView(
        size=(size[0], size[1]),
        fit=fits.get(config.get("resize_mode") or "shortest", "crop"),
        mean=tuple(config.get("mean") or mean),
        std=tuple(config.get("std") or std),
        interpolation=_INTERPOLATION.get(config.get("interpolation"), "bicubic"),
    )


class FolderText:
    """A text as i32[length] ids by a folder's `tokenizer.json`, its own marks included.

    Args:
      folder: the folder.
      encoder: spec of the text encoder, for length and padding.

    Raises:
      WeightsError: when the file is damaged.
      MissingExtra: without the extra `tokenizers`.
    """

    def __init__(self, folder: Folder, encoder: Mapping[str, Any]):
        what = f"the tokenizer of {folder.path}"
        tokenizers = extras.needs("tokenizers", "tokenizers", what)
        file = folder.inside("tokenizer.json")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise WeightsError(f"{file} is damaged: {error}") from error
        config = folder.json("tokenizer_config.json") or {}
        token = config.get("pad_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        known = self._tokenizer.token_to_id(token) if isinstance(token, str) else None
        self.pad_id = encoder["pad_id"] if known is None else known
        self.length = encoder["length"]
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.length)
        self.shape, self.dtype = (self.length,), np.dtype(np.int32)
        names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
        there = {name: folder.file(name) for name in names}
        self._files = {name: path.read_bytes() for name, path in there.items() if path is not None}

    def write(self, folder: Path) -> None:
        """Copies the tokenizer's files into another folder."""
        for name, data in self._files.items():
            (folder / name).write_bytes(data)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        return self.tokens(pick(value, rng, train))

    def tokens(self, text: Any, template: str = "{}") -> np.ndarray:
        """The ids of one text in a template, i32[length]."""
        if not isinstance(text, str):
            raise unusable(f"the caption is a {type(text).__name__}, not text")
        try:
            ids = self._tokenizer.encode(template.replace("{}", text)).ids
        except Exception as error:  # the library raises nothing narrower
            raise unusable(f"the tokenizer cannot encode the caption: {error}") from error
        row = np.full(self.length, self.pad_id, np.int32)
        row[: len(ids)] = ids
        return row

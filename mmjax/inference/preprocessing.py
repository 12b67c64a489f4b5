"""Image preprocessing configs for transformers and open_clip."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from mmjax.data.views.image import ImageView
from mmjax.errors import ConfigError

_RESAMPLE = {"BILINEAR": 2, "BICUBIC": 3}


def statistics(view: ImageView) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the channels, to normalize pixels in [0, 1]."""
    std = 1 / (255 * np.asarray(view.scale[:3], np.float64))
    mean = -np.asarray(view.offset[:3], np.float64) * std
    return [round(float(m), 7) for m in mean], [round(float(s), 7) for s in std]


def hugging_face(view: ImageView, kind: str) -> dict[str, Any]:
    """`preprocessor_config.json` of a `CLIPImageProcessor` or `SiglipImageProcessor`."""
    mean, std = statistics(view)
    config: dict[str, Any] = {
        "image_processor_type": kind,
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": _RESAMPLE[view.resample.name],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
    }
    sides = {"height": view.height, "width": view.width}
    if view.fit == "squash":
        return {**config, "size": sides}
    if view.fit == "crop" and kind == "CLIPImageProcessor":
        size = {"shortest_edge": view.shortest or min(view.height, view.width)}
        return {**config, "size": size, "do_center_crop": True, "crop_size": sides}
    raise ConfigError(f"{kind} has no word for fit={view.fit!r} of the image view")


def image_processor(view: ImageView, family: str) -> dict[str, Any]:
    """The same, with the processor of the family where it can, and else CLIP's, which crops."""
    crop = view.fit == "crop" or family == "CLIPModel"
    return hugging_face(view, "CLIPImageProcessor" if crop else "SiglipImageProcessor")


def open_clip(view: ImageView) -> dict[str, Any]:
    """`preprocess_cfg` of an open_clip_config.json."""
    if view.shortest is not None:
        raise ConfigError(f"open_clip has no word for shortest={view.shortest} of the image view")
    mean, std = statistics(view)
    modes = {"crop": "shortest", "squash": "squash", "pad": "longest"}
    return {
        "size": [view.height, view.width],
        "mode": "RGB",
        "mean": mean,
        "std": std,
        "interpolation": view.resample.name.lower(),
        "resize_mode": modes[view.fit],
        "fill_color": view.fill[0],
    }


def opened(view: ImageView, picture: bytes) -> Image.Image:
    """An image in RGB with its transparent parts on the view's background, as the view sees it."""
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    behind = Image.new("RGBA", image.size, (*view.fill, 255))
    return Image.alpha_composite(behind, image).convert("RGB")

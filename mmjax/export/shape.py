"""Whether two towers have the architecture of another library's models, and which.

A family's `compose` writes a config in its own words, and its `describe` reads it back; what comes
back differently is what the family has no words for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmjax.encoders import Encoder
from mmjax.errors import ConfigError
from mmjax.model.config import TowerConfig
from mmjax.schema.registry import Spec
from mmjax.weights import foreign
from mmjax.weights.families import clip, open_clip, siglip
from mmjax.weights.files import WeightsError
from mmjax.weights.keymap import Foreign

Towers = Mapping[str, TowerConfig]
Plain = dict[str, Any]


def essential(encoder: Spec[Encoder]) -> dict[str, Any]:
    """The options of an encoder that decide its output."""
    of_training = Encoder.training_options
    kept = {key: value for key, value in encoder.plain().items() if key not in of_training}
    if kept.get("mlp_width", 0) is None:
        kept["mlp_width"] = 4 * kept["width"]
    if "layer_scale" in kept:  # the start of what is learned
        kept["layer_scale"] = kept["layer_scale"] is not None
    if kept["type"] == "text_transformer":
        if kept["pool"] != "eot":
            kept.pop("eos_id")
        elif kept["causal"]:  # what comes before the end never sees the padding
            kept.pop("mask_padding")
        if not kept.get("mask_padding"):
            kept.pop("pad_id")
    return kept


def differences(towers: Towers, described: Foreign) -> list[str]:
    """What a family cannot say of these towers, as `image.pool='mean' (there 'cls')`."""
    found = []
    for modality, tower in towers.items():
        there = foreign.complete(described.parts[modality])
        own, other = essential(tower.encoder), essential(there.encoder)
        pairs = [(f"{modality}.{key}", own.get(key), other.get(key)) for key in {**own, **other}]
        head, there_head = tower.head.plain(), there.head.plain()
        pairs += [
            (f"{modality}.head.{key}", head.get(key), there_head.get(key))
            for key in {**head, **there_head}
        ]
        found += [f"{name}={a!r} (there {b!r})" for name, a, b in pairs if a != b]
    return found


def fitting(
    towers: Towers,
    families: Mapping[str, tuple[Callable[[Plain, Plain], Plain], Callable[[Plain], Foreign]]],
) -> tuple[str, dict[str, Any], Foreign]:
    """The family, of those given, whose shape these towers have.

    Args:
      towers: modality -> {encoder, head}.
      families: name -> (what makes its config of these towers, its `describe`).

    Returns:
      (name, config, towers as described there).

    Raises:
      ConfigError: saying for each family what stands against it.
    """
    kinds = {m: towers[m].encoder.type for m in towers}
    if kinds != {"image": "vit", "text": "text_transformer"}:
        raise ConfigError(
            f"{' and '.join(families)} have a 'vit' for image and a 'text_transformer' for text; "
            f"this model has {kinds}. --format=safetensors and --format=stablehlo take any model"
        )
    height, width = towers["image"].encoder.options["image_size"]
    if height != width:
        raise ConfigError(
            f"{' and '.join(families)} take square images; these are {height} x {width}"
        )
    reasons = []
    for name, (compose, describe) in families.items():
        config = compose(towers["image"].plain(), towers["text"].plain())
        try:
            described = describe(config)
            against = differences(towers, described)
        except WeightsError as error:
            reasons.append(f"not {name}: {error}")
            continue
        if not against:
            return name, config, described
        reasons.append(f"not {name}: {', '.join(against)}")
    raise ConfigError(
        f"the model has not the shape of {' or '.join(families)}. {'; '.join(reasons)}. "
        "--format=safetensors and --format=stablehlo take any model"
    )


def hugging_face(towers: Towers) -> tuple[str, dict[str, Any], Foreign]:
    """`fitting` among the families that `transformers` has."""
    return fitting(
        towers,
        {
            "CLIPModel": (clip.compose, clip.describe),
            "SiglipModel": (siglip.compose, siglip.describe),
        },
    )


def in_open_clip(
    towers: Towers, log_scale: float, bias: float | None
) -> tuple[str, dict[str, Any], Foreign]:
    """`fitting` for open_clip; the config is `model_cfg`."""
    return fitting(
        towers,
        {
            "open_clip": (
                lambda image, text: open_clip.compose(image, text, log_scale, bias),
                lambda model: open_clip.describe({"model_cfg": model}),
            )
        },
    )

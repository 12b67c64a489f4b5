"""ConvNeXt V1 and V2 in Hugging Face's layout: `ConvNextModel`, `ConvNextV2Model`.

Liu et al. 2022; Woo et al. 2023. Those of `timm`, which open_clip has, differ in names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 4,
    "hidden_sizes": (96, 192, 384, 768),
    "depths": (3, 3, 9, 3),
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "layer_scale_init_value": 1e-6,
}
PASSED_OVER = ((r"classifier\..*", "the classifier of one task"),)


class Names(NamedTuple):
    """Names of layers; `{s}` stands for the stage and `{b}` for the block in it.

    Attributes:
      stem, stem_norm: of the first patches.
      down, down_norm: of those before the other stages.
      block: what stands before the names of a block's layers.
      depthwise, norm, up, response, linear, scale: layers of a block; `linear` is its second one.
      final: the last norm.
      response_axes: leading axes of the arrays of the norm of responses.
    """

    stem: str = "embeddings.patch_embeddings"
    stem_norm: str = "embeddings.layernorm"
    down: str = "encoder.stages.{s}.downsampling_layer.1"
    down_norm: str = "encoder.stages.{s}.downsampling_layer.0"
    block: str = "encoder.stages.{s}.layers.{b}."
    depthwise: str = "dwconv"
    norm: str = "layernorm"
    up: str = "pwconv1"
    response: str = "grn"
    linear: str = "pwconv2"
    scale: str = "layer_scale_parameter"
    final: str = "layernorm"
    response_axes: tuple[int, ...] = (1, 1, 1)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a ConvNeXt config.json."""
    second = config.get("model_type") == "convnextv2"
    options = Options(config, DEFAULTS, "config.json")
    scale = 0.0 if second else float(options["layer_scale_init_value"])
    encoder = {
        "type": "convnext",
        "image_size": options.image_size(),
        "channels": options.size("num_channels"),
        "patch": options.size("patch_size"),
        "blocks": tuple(options["depths"]),
        "widths": tuple(options["hidden_sizes"]),
        "activation": options.activation(),
        "eps": 1e-6,
        "final_eps": float(options["layer_norm_eps"]),
        "layer_scale": scale if scale > 0 else None,
        "response_norm": second,
    }
    prefixes = ("", "convnextv2." if second else "convnext.")
    part = Part(encoder, {"type": "none"}, rules(encoder, Names()), prefixes=prefixes)
    return Foreign("ConvNeXt", {"image": part}, passed_over=PASSED_OVER)


def rules(encoder: Mapping[str, Any], names: Names) -> tuple[Rule, ...]:
    """All parameters of the tower of an encoder's spec."""
    found: tuple[Rule, ...] = ()
    inputs = (encoder["channels"], *encoder["widths"][:-1])
    block = 0
    for stage, (count, width) in enumerate(zip(encoder["blocks"], encoder["widths"], strict=True)):
        patch = 2 if stage else encoder["patch"]
        stem, norm = (names.down, names.down_norm) if stage else (names.stem, names.stem_norm)
        found += keymap.patches(
            f"encoder/stems/{stage}/project", stem.format(s=stage), patch, inputs[stage], bias=True
        )
        found += keymap.norm(f"encoder/norms/{stage}", norm.format(s=stage))
        for i in range(count):
            ours, theirs = f"encoder/blocks/{block}", names.block.format(s=stage, b=i)
            found += keymap.convolution(f"{ours}/depthwise", theirs + names.depthwise)
            found += keymap.norm(f"{ours}/norm", theirs + names.norm)
            found += keymap.linear(f"{ours}/up", theirs + names.up)
            found += keymap.linear(f"{ours}/down", theirs + names.linear)
            if encoder["layer_scale"] is not None:
                found += keymap.same(f"{ours}/scale/scale", theirs + names.scale)
            if encoder["response_norm"]:
                there = (*names.response_axes, 4 * width)
                for own, other in (("scale", "weight"), ("bias", "bias")):
                    name = f"{theirs}{names.response}.{other}"
                    found += keymap.reshaped(f"{ours}/response/{own}", name, (-1,), there)
            block += 1
    return found + keymap.norm("encoder/norm", names.final)

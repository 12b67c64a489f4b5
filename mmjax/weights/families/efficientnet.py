"""EfficientNet-Lite weights with the names of `efficientnet_lite_pytorch`.

That package comes as a torch pickle. `tools/convert_efficientnet.py` makes of it a folder with
`model.safetensors` and a config.json of `model_type: efficientnet_lite`, which is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.encoders import efficientnet
from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {"image_size": 224, "variant": 0}
PASSED_OVER = (
    (r".*\.num_batches_tracked", "a counter of training"),
    (r"_fc\..*", "the classifier of one task"),
)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of such a config.json."""
    options = Options(config, DEFAULTS, "config.json")
    variant = options["variant"]
    encoder = {"type": "efficientnet_lite", "image_size": options.image_size(), "variant": variant}
    rules = _conv_norm("encoder/stem", "_conv_stem", "_bn0")
    for i, (_, _, expansion, _, _) in enumerate(efficientnet.plan(variant)):
        ours, theirs = f"encoder/blocks/{i}", f"_blocks.{i}."
        if expansion != 1:
            rules += _conv_norm(f"{ours}/expand", f"{theirs}_expand_conv", f"{theirs}_bn0")
        rules += _conv_norm(f"{ours}/depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1")
        rules += _conv_norm(f"{ours}/project", f"{theirs}_project_conv", f"{theirs}_bn2")
    rules += _conv_norm("encoder/top", "_conv_head", "_bn1")
    part = Part(encoder, {"type": "none"}, rules)
    return Foreign("EfficientNet-Lite", {"image": part}, passed_over=PASSED_OVER)


def _conv_norm(ours: str, conv: str, norm: str) -> tuple[Rule, ...]:
    return (
        *keymap.convolution(f"{ours}/conv", conv, bias=False),
        *keymap.batch_norm(f"{ours}/norm", norm),
    )

"""Towers of `timm` in open_clip's models: what a `timm_model_name` stands for.

The config names the model and nothing more; its sizes are timm's.
"""

from __future__ import annotations

from typing import Any

from mmjax.weights import keymap
from mmjax.weights.families import convnext, perception_encoder
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Part, Rule

_LARGE = (3, 3, 27, 3)
# name -> options of `convnext`
CONVNEXT: dict[str, dict[str, Any]] = {
    "convnext_tiny": {"blocks": (3, 3, 9, 3), "widths": (96, 192, 384, 768)},
    "convnext_small": {"blocks": _LARGE, "widths": (96, 192, 384, 768)},
    "convnext_base": {"blocks": _LARGE, "widths": (128, 256, 512, 1024)},
    "convnext_large": {"blocks": _LARGE, "widths": (192, 384, 768, 1536)},
    "convnext_xlarge": {"blocks": _LARGE, "widths": (256, 512, 1024, 2048)},
    "convnext_xxlarge": {"blocks": (3, 4, 30, 3), "widths": (384, 768, 1536, 3072), "eps": 1e-5},
}
_CONVNEXT = convnext.Names(
    stem="visual.trunk.stem.0",
    stem_norm="visual.trunk.stem.1",
    down="visual.trunk.stages.{s}.downsample.1",
    down_norm="visual.trunk.stages.{s}.downsample.0",
    block="visual.trunk.stages.{s}.blocks.{b}.",
    depthwise="conv_dw",
    norm="norm",
    up="mlp.fc1",
    response="mlp.grn",
    linear="mlp.fc2",
    scale="gamma",
    final="visual.trunk.head.norm",
    response_axes=(),
)


def tower(options: Options, dim: int) -> Part:
    """The image tower of a vision_cfg with a `timm_model_name`.

    Raises:
      WeightsError: for models, or poolings, that are not here.
    """
    name = options["timm_model_name"]
    if name in perception_encoder.MODELS:
        return perception_encoder.tower(options, dim)
    if name not in CONVNEXT:
        known = ", ".join((*CONVNEXT, *perception_encoder.MODELS))
        raise WeightsError(f"vision_cfg: timm_model_name={name!r} is none of {known}")
    if options.get("timm_pool") not in ("", "avg"):
        raise WeightsError(
            f"vision_cfg: timm_pool={options.get('timm_pool')!r} is not supported for {name}, only "
            "'' and 'avg', the mean, are"
        )
    encoder = {
        "type": "convnext",
        "image_size": options.image_size(),
        "channels": 3,
        "patch": 4,
        "activation": "gelu",
        "eps": 1e-6,
        "layer_scale": 1e-6,
        "response_norm": False,
        **CONVNEXT[name],
    }
    head, rules = _head(options, dim)
    return Part(encoder, head, convnext.rules(encoder, _CONVNEXT) + rules)


def _head(options: Options, dim: int) -> tuple[dict[str, Any], tuple[Rule, ...]]:
    """Spec and rules of a projection behind a trunk."""
    bias = bool(options.get("timm_proj_bias"))
    if options.get("timm_proj") == "linear":
        rules = keymap.linear("head/project", "visual.head.proj", bias=bias)
        return {"type": "linear", "dim": dim, "bias": bias}, rules
    if options.get("timm_proj") != "mlp":
        raise WeightsError(
            f"vision_cfg: timm_proj={options.get('timm_proj')!r} is not supported, only 'linear' "
            "and 'mlp' are"
        )
    rules = keymap.linear("head/layers/0", "visual.head.mlp.fc1")
    rules += keymap.linear("head/layers/1", "visual.head.mlp.fc2", bias=bias)
    if not bias:
        rules += keymap.zeros("head/layers/1/bias", (dim,))
    return {"type": "mlp", "dim": dim, "hidden": 2 * dim, "activation": "gelu"}, rules

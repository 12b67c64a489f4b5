"""DINOv2 in Hugging Face's layout: `Dinov2Model`, and `Dinov2WithRegistersModel`.

Oquab et al. 2023; registers: Darcet et al. 2024. A ViT with layer scales; giant has SwiGLU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.families.vit import BLOCK, embeddings, patch_options
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part

DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 14,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "layerscale_value": 1.0,
    "use_swiglu_ffn": False,
    "num_register_tokens": 4,
}
PASSED_OVER = (
    (r"(dinov2\w*\.)?embeddings\.mask_token", "used only to train by masking"),
    (r"classifier\..*", "the classifier of one task"),
)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a DINOv2 config.json."""
    registers = config.get("model_type") == "dinov2_with_registers"
    options = Options(config, DEFAULTS, "config.json")
    options.only("qkv_bias", True, "is not supported: query, key and value have biases here")
    width, gated = options.size("hidden_size"), bool(options.get("use_swiglu_ffn"))
    hidden = int(width * options["mlp_ratio"])
    if gated:
        # Two thirds, since there are three matrices and not two, rounded up to a multiple of 8.
        hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
    encoder = {
        "type": "vit",
        "pool": "cls",
        **patch_options(options),
        "width": width,
        "depth": options.size("num_hidden_layers"),
        "heads": options.size("num_attention_heads"),
        "mlp_width": hidden,
        "activation": "swiglu" if gated else options.activation(),
        "eps": float(options["layer_norm_eps"]),
        "layer_scale": float(options["layerscale_value"]),
        "registers": options.size("num_register_tokens") if registers else 0,
    }
    rules = embeddings(encoder)
    if registers:
        rules += keymap.reshaped(
            "encoder/register_tokens", "embeddings.register_tokens", (-1, width), (1, -1, width)
        )
    block: keymap.BlockNames = {
        **BLOCK,
        "attention_norm": "norm1",
        "mlp_norm": "norm2",
        "up": "mlp.weights_in" if gated else "mlp.fc1",
        "down": "mlp.weights_out" if gated else "mlp.fc2",
        "scales": ("layer_scale1.lambda1", "layer_scale2.lambda1"),
    }
    rules += keymap.blocks("encoder.layer.{}.", encoder["depth"], **block)
    rules += keymap.norm("encoder/transformer/norm", "layernorm")
    prefixes = ("", "dinov2.", "dinov2_with_registers.")
    part = Part(encoder, {"type": "none"}, rules, prefixes=prefixes)
    return Foreign("DINOv2", {"image": part}, passed_over=PASSED_OVER)

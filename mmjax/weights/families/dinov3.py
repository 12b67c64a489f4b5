"""DINOv3's vision transformers in Hugging Face's layout: `DINOv3ViTModel`.

Simeoni et al. 2025. A ViT with registers and layer scales, whose only positions are rotary, so that
it takes images of any size. Keys have no bias there, and one of zeros here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.families.vit import patch_options
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "rope_theta": 100.0,
    "query_bias": True,
    "key_bias": False,
    "value_bias": True,
    "proj_bias": True,
    "mlp_bias": True,
    "layerscale_value": 1.0,
    "use_gated_mlp": False,
    "num_register_tokens": 0,
}
PASSED_OVER = ((r"embeddings\.mask_token", "used only to train by masking"),)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a DINOv3 config.json."""
    options = Options(config, DEFAULTS, "config.json")
    width, hidden = options.size("hidden_size"), options.size("intermediate_size")
    depth, gated = options.size("num_hidden_layers"), bool(options.get("use_gated_mlp"))
    if gated:
        options.only("hidden_act", "silu", "is not supported with use_gated_mlp, only 'silu' is")
    registers = options.get("num_register_tokens") or 0
    encoder = {
        "type": "vit",
        "pool": "cls",
        **patch_options(options),
        "positions": "none",
        "rotary": {"base": float(options["rope_theta"]), "coordinates": "centred"},
        "width": width,
        "depth": depth,
        "heads": options.size("num_attention_heads"),
        "mlp_width": hidden,
        "activation": "swiglu" if gated else options.activation(),
        "eps": float(options["layer_norm_eps"]),
        "layer_scale": float(options["layerscale_value"]),
        "registers": registers,
    }
    rules = keymap.patches(
        "encoder/stem/project",
        "embeddings.patch_embeddings",
        encoder["patch"],
        encoder["channels"],
        bias=True,
    )
    rules += keymap.reshaped(
        "encoder/class_token", "embeddings.cls_token", (1, width), (1, 1, width)
    )
    if registers:
        rules += keymap.reshaped(
            "encoder/register_tokens", "embeddings.register_tokens", (-1, width), (1, -1, width)
        )
    here, there = "encoder/transformer/blocks", "layer.{}."
    rules += keymap.norm(f"{here}/attention_norm", f"{there}norm1", depth)
    for ours, theirs, bias in (
        ("query", "q_proj", "query_bias"),
        ("key", "k_proj", "key_bias"),
        ("value", "v_proj", "value_bias"),
        ("out", "o_proj", "proj_bias"),
    ):
        names = f"{here}/attention/{ours}", f"{there}attention.{theirs}"
        rules += _linear(*names, width, depth, bias=bool(options.get(bias)))
    rules += keymap.same(f"{here}/attention_scale/scale", f"{there}layer_scale1.lambda1", depth)
    rules += keymap.norm(f"{here}/mlp_norm", f"{there}norm2", depth)
    biased = bool(options.get("mlp_bias"))
    if gated:
        gate, up = f"{there}mlp.gate_proj", f"{there}mlp.up_proj"
        rules += _gated(f"{here}/mlp/up", gate, up, hidden, depth, bias=biased)
    else:
        rules += _linear(f"{here}/mlp/up", f"{there}mlp.up_proj", hidden, depth, bias=biased)
    rules += _linear(f"{here}/mlp/down", f"{there}mlp.down_proj", width, depth, bias=biased)
    rules += keymap.same(f"{here}/mlp_scale/scale", f"{there}layer_scale2.lambda1", depth)
    rules += keymap.norm("encoder/transformer/norm", "norm")
    part = Part(encoder, {"type": "none"}, rules)
    none = () if registers else ((r"embeddings\.register_tokens", "of no rows"),)
    return Foreign("DINOv3", {"image": part}, passed_over=PASSED_OVER + none)


def _linear(ours: str, theirs: str, units: int, depth: int, *, bias: bool) -> tuple[Rule, ...]:
    """A linear layer; its bias is zeros where they have none."""
    rules = keymap.linear(ours, theirs, depth, bias=bias)
    return rules if bias else rules + keymap.zeros(f"{ours}/bias", (units,), depth)


def _gated(
    ours: str, gate: str, up: str, units: int, depth: int, *, bias: bool
) -> tuple[Rule, ...]:
    """Two linear layers there, the gate's first, that are one here."""
    kernel = Rule(
        (f"{ours}/kernel",),
        (f"{gate}.weight", f"{up}.weight"),
        lambda a: (np.concatenate(a).T,),
        lambda a: tuple(np.split(a[0].T, 2)),
        depth,
    )
    if not bias:
        return (kernel, *keymap.zeros(f"{ours}/bias", (2 * units,), depth))
    names = f"{gate}.bias", f"{up}.bias"
    joined = Rule(
        (f"{ours}/bias",),
        names,
        lambda a: (np.concatenate(a),),
        lambda a: tuple(np.split(a[0], 2)),
        depth,
    )
    return (kernel, joined)

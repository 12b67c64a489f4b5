"""ViT in Hugging Face's layout: `ViTModel`, or `ViTForImageClassification` without its classifier.

Dosovitskiy et al. 2021; DeiT's distilled variant, with its second token, is another model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "qkv_bias": True,
}
PASSED_OVER = (
    (r"(vit\.)?pooler\..*", "the pooler is trained for one task; the class token is the output"),
    (r"classifier\..*", "the classifier of one task"),
    (r"(vit\.)?embeddings\.mask_token", "used only to train by masking"),
    (r"decoder\..*", "used only to train by masking"),
)
BLOCK: keymap.BlockNames = {
    "attention_norm": "layernorm_before",
    "attention": (
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
    ),
    "out": "attention.output.dense",
    "mlp_norm": "layernorm_after",
    "up": "intermediate.dense",
    "down": "output.dense",
}


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a ViT config.json."""
    options = Options(config, DEFAULTS, "config.json")
    options.only("qkv_bias", True, "is not supported: query, key and value have biases here")
    common = options.transformer()
    encoder = {"type": "vit", "pool": "cls", **patch_options(options), **common}
    rules = (
        *embeddings(encoder),
        *keymap.blocks("encoder.layer.{}.", common["depth"], **BLOCK),
        *keymap.norm("encoder/transformer/norm", "layernorm"),
    )
    part = Part(encoder, {"type": "none"}, rules, prefixes=("", "vit."))
    return Foreign("ViT", {"image": part}, passed_over=PASSED_OVER)


def patch_options(options: Options) -> dict[str, Any]:
    """Size of images and patches, of a ViT or its kin."""
    return {
        "image_size": options.image_size(),
        "patch": options.size("patch_size"),
        "channels": options.size("num_channels"),
        "pre_norm": False,
        "patch_bias": True,
    }


def embeddings(encoder: Mapping[str, Any]) -> tuple[keymap.Rule, ...]:
    """Patches, class token and positions, of a ViT or its kin."""
    width = encoder["width"]
    return (
        *keymap.patches(
            "encoder/stem/project",
            "embeddings.patch_embeddings.projection",
            encoder["patch"],
            encoder["channels"],
            bias=True,
        ),
        *keymap.reshaped("encoder/class_token", "embeddings.cls_token", (1, width), (1, 1, width)),
        *keymap.reshaped(
            "encoder/position", "embeddings.position_embeddings", (-1, width), (1, -1, width)
        ),
    )

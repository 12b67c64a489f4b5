"""SigLIP, and SigLIP 2 at a fixed resolution or as NaFlex, in Hugging Face's layout.

`SiglipModel` and, for images of any shape, `Siglip2Model`. Zhai et al. 2023; Tschannen et al. 2025.
The image's tower is pooled by attention and has no
projection; the text's sees padding too, is pooled at its last position, and ends in a linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.families.clip import _BLOCK, PASSED_OVER, sizes
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part

TEXT = {
    "vocab_size": 32000,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "pad_token_id": 1,
}
VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "vision_use_head": True,
}
NAFLEX = {**VISION, "num_patches": 256}


def describe(config: Mapping[str, Any]) -> Foreign:
    """The towers of a SigLIP config.json."""
    kind = config.get("model_type", "siglip")
    # The fixed resolutions of SigLIP 2 are of the first one's type.
    naflex, kind = kind.startswith("siglip2"), kind.replace("siglip2", "siglip")
    defaults = NAFLEX if naflex else VISION
    parts = {}
    if kind in ("siglip", "siglip_vision_model"):
        section = config if kind == "siglip_vision_model" else config.get("vision_config")
        parts["image"] = _vision(Options(section, defaults, "vision_config"), naflex)
    if kind in ("siglip", "siglip_text_model"):
        section = config if kind == "siglip_text_model" else config.get("text_config")
        parts["text"] = _text(Options(section, TEXT, "text_config"))
    both = kind == "siglip"
    return Foreign(
        "SigLIP 2 NaFlex" if naflex else "SigLIP",
        parts,
        scale="logit_scale" if both else None,
        bias="logit_bias" if both else None,
        passed_over=PASSED_OVER,
    )


def _vision(options: Options, naflex: bool) -> Part:
    common = options.transformer()
    width, patch, channels = (
        common["width"],
        options.size("patch_size"),
        options.size("num_channels"),
    )
    options.only("vision_use_head", True, "has no pooled output to embed")
    encoder = {
        **(_grid(options) if naflex else {"type": "vit", "image_size": options.image_size()}),
        "patch": patch,
        "channels": channels,
        "pool": "map",
        "pre_norm": False,
        "patch_bias": True,
        **common,
    }
    ours, theirs = "encoder/stem/project", "embeddings.patch_embedding"
    rules = (
        *(
            keymap.linear(ours, theirs)
            if naflex
            else keymap.patches(ours, theirs, patch, channels, bias=True)
        ),
        *keymap.same("encoder/position", "embeddings.position_embedding.weight"),
        *keymap.blocks("encoder.layers.{}.", common["depth"], **_BLOCK),
        *keymap.norm("encoder/transformer/norm", "post_layernorm"),
        *keymap.reshaped("encoder/probe/probe", "head.probe", (1, 1, width), (1, 1, width)),
        *keymap.fused_qkv(
            "encoder/probe/attention",
            "head.attention.in_proj_weight",
            "head.attention.in_proj_bias",
        ),
        *keymap.linear("encoder/probe/attention/out", "head.attention.out_proj"),
        *keymap.norm("encoder/probe/norm", "head.layernorm"),
        *keymap.linear("encoder/probe/mlp/up", "head.mlp.fc1"),
        *keymap.linear("encoder/probe/mlp/down", "head.mlp.fc2"),
    )
    return Part(encoder, {"type": "none"}, rules, prefixes=("vision_model.", ""))


def _grid(options: Options) -> dict[str, Any]:
    """The type of an encoder of listed patches, and the grid of its positions, a square."""
    count = options.size("num_patches")
    side = math.isqrt(count)
    if side * side != count:
        raise WeightsError(f"vision_config: num_patches={count} should be those of a square")
    return {"type": "naflex_vit", "grid": (side, side)}


def _text(options: Options) -> Part:
    common = options.transformer()
    dim = options.get("projection_size") or common["width"]
    encoder = {
        "type": "text_transformer",
        "vocab_size": options.size("vocab_size"),
        "length": options.size("max_position_embeddings"),
        "causal": False,
        "pool": "last",
        "mask_padding": False,
        "pad_id": options["pad_token_id"],
        **common,
    }
    rules = (
        *keymap.same("encoder/token", "embeddings.token_embedding.weight"),
        *keymap.same("encoder/position", "embeddings.position_embedding.weight"),
        *keymap.blocks("encoder.layers.{}.", common["depth"], **_BLOCK),
        *keymap.norm("encoder/transformer/norm", "final_layer_norm"),
        *keymap.linear("head/project", "head"),
    )
    head = {"type": "linear", "dim": dim, "bias": True}
    return Part(encoder, head, rules, prefixes=("text_model.", ""))


def compose(
    image: Mapping[str, Mapping[str, Any]], text: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A config.json of `SiglipModel` for two towers, `{encoder, head}` each; see `clip.compose`."""
    vision, words = image["encoder"], text["encoder"]
    return {
        "architectures": ["SiglipModel"],
        "model_type": "siglip",
        "text_config": {
            "model_type": "siglip_text_model",
            "vocab_size": words["vocab_size"],
            "max_position_embeddings": words["length"],
            "projection_size": text["head"].get("dim", words["width"]),
            "pad_token_id": words["pad_id"],
            "bos_token_id": None,
            "eos_token_id": None,
            **sizes(words),
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "image_size": vision["image_size"][0],
            "patch_size": vision["patch"],
            "num_channels": vision["channels"],
            **sizes(vision),
        },
    }

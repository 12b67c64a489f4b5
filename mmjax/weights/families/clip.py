"""CLIP and MetaCLIP 2 in Hugging Face's layout: `CLIPModel`, `MetaClip2Model`, or one tower.

Radford et al. 2021; Chuang et al. 2025, for many languages, by the same network. Both towers are
pre-norm transformers; the image's has a class token and a layer norm before the first block, the
text's is causal and pooled at the first end-of-text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import NAMES, Options
from mmjax.weights.keymap import Foreign, Part

TEXT = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "eos_token_id": 49407,
}
VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
PASSED_OVER = ((r".*\.position_ids", "the numbers 0, 1, 2, ..., which need no file"),)
# The end-of-text id that configs written before transformers 4.29 name; it means the largest id.
_LEGACY_EOS = 2
_BLOCK: keymap.BlockNames = {
    "attention_norm": "layer_norm1",
    "attention": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": "self_attn.out_proj",
    "mlp_norm": "layer_norm2",
    "up": "mlp.fc1",
    "down": "mlp.fc2",
}


def describe(config: Mapping[str, Any]) -> Foreign:
    """The towers of a CLIP, or MetaCLIP 2, config.json."""
    name = config.get("model_type", "clip")
    meta = name.startswith("metaclip_2")
    kind = name.replace("metaclip_2", "clip")
    parts = {}
    if kind in ("clip", "clip_vision_model"):
        section = config if kind == "clip_vision_model" else config.get("vision_config")
        head = _head(config, kind, "visual_projection")
        parts["image"] = _vision(Options(section, VISION, "vision_config"), *head)
    if kind in ("clip", "clip_text_model"):
        section = config if kind == "clip_text_model" else config.get("text_config")
        head = _head(config, kind, "text_projection")
        parts["text"] = _text(Options(section, TEXT, "text_config"), *head, legacy=not meta)
    scale = "logit_scale" if kind == "clip" else None
    family = "MetaCLIP 2" if meta else "CLIP"
    return Foreign(family, parts, scale=scale, passed_over=PASSED_OVER)


def _head(
    config: Mapping[str, Any], kind: str, name: str
) -> tuple[dict[str, Any], tuple[keymap.Rule, ...]]:
    """Spec and rules of the projection; a tower saved alone may have none."""
    architectures = config.get("architectures") or []
    if kind != "clip" and not any("WithProjection" in str(a) for a in architectures):
        return {"type": "none"}, ()
    dim = config.get("projection_dim", 512)
    if type(dim) is not int or dim < 1:
        raise WeightsError(f"projection_dim={dim!r} should be a whole number above 0")
    return {"type": "linear", "dim": dim, "bias": False}, keymap.matrix(
        "head/project/kernel", f"{name}.weight"
    )


def _vision(options: Options, head: dict[str, Any], head_rules: tuple[keymap.Rule, ...]) -> Part:
    common = options.transformer()
    width, patch, channels = (
        common["width"],
        options.size("patch_size"),
        options.size("num_channels"),
    )
    encoder = {
        "type": "vit",
        "image_size": options.image_size(),
        "patch": patch,
        "channels": channels,
        "pool": "cls",
        "pre_norm": True,
        "patch_bias": False,
        **common,
    }
    rules = (
        *keymap.patches(
            "encoder/stem/project", "embeddings.patch_embedding", patch, channels, bias=False
        ),
        *keymap.reshaped("encoder/class_token", "embeddings.class_embedding", (1, width), (width,)),
        *keymap.same("encoder/position", "embeddings.position_embedding.weight"),
        # The name is theirs, one letter short.
        *keymap.norm("encoder/pre_norm", "pre_layrnorm"),
        *keymap.blocks("encoder.layers.{}.", common["depth"], **_BLOCK),
        *keymap.norm("encoder/transformer/norm", "post_layernorm"),
    )
    return Part(encoder, head, rules, ("vision_model.", ""), head_rules)


def _text(
    options: Options, head: dict[str, Any], head_rules: tuple[keymap.Rule, ...], *, legacy: bool
) -> Part:
    common = options.transformer()
    vocabulary, eos = options.size("vocab_size"), options["eos_token_id"]
    if legacy and eos == _LEGACY_EOS:
        eos = vocabulary - 1
    encoder = {
        "type": "text_transformer",
        "vocab_size": vocabulary,
        "length": options.size("max_position_embeddings"),
        "causal": True,
        "pool": "eot",
        "eos_id": eos,
        "mask_padding": False,
        **common,
    }
    rules = (
        *keymap.same("encoder/token", "embeddings.token_embedding.weight"),
        *keymap.same("encoder/position", "embeddings.position_embedding.weight"),
        *keymap.blocks("encoder.layers.{}.", common["depth"], **_BLOCK),
        *keymap.norm("encoder/transformer/norm", "final_layer_norm"),
    )
    return Part(encoder, head, rules, ("text_model.", ""), head_rules)


def compose(
    image: Mapping[str, Mapping[str, Any]], text: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A config.json of `CLIPModel` for two towers, `{encoder, head}` each.

    It says what CLIP has words for; whether `describe` of it gives these towers back is for the
    caller to compare.
    """
    vision, words = image["encoder"], text["encoder"]
    dim = image["head"].get("dim", vision["width"])
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": dim,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": words["vocab_size"],
            "max_position_embeddings": words["length"],
            "projection_dim": dim,
            "eos_token_id": words["eos_id"],
            "pad_token_id": words["pad_id"],
            **sizes(words),
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "image_size": vision["image_size"][0],
            "patch_size": vision["patch"],
            "num_channels": vision["channels"],
            "projection_dim": dim,
            **sizes(vision),
        },
    }


def sizes(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a transformer in a Hugging Face config."""
    return {
        "hidden_size": encoder["width"],
        "num_hidden_layers": encoder["depth"],
        "num_attention_heads": encoder["heads"],
        "intermediate_size": encoder["mlp_width"] or 4 * encoder["width"],
        "hidden_act": NAMES.get(encoder["activation"], encoder["activation"]),
        "layer_norm_eps": encoder["eps"],
    }

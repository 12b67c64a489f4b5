"""open_clip's own layout: `open_clip_config.json` beside `open_clip_model.safetensors`.

Ilharco et al. 2021. Towers of the CLIP shape (`visual.transformer.resblocks`), its ResNets, and
some of `timm`; the text's stands at the top of the file, or below `text.` in models of its class
`CustomTextCLIP`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.families import modified_resnet, timm
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part

TEXT = {
    "context_length": 77,
    "vocab_size": 49408,
    "width": 512,
    "heads": 8,
    "layers": 12,
    "mlp_ratio": 4.0,
    "ls_init_value": None,
    "embed_cls": False,
    "pad_id": 0,
    "eos_id": 2,
    "no_causal_mask": False,
    "final_ln_after_pool": False,
    "pool_type": "argmax",
    "proj_bias": False,
    "proj_type": "linear",
    "act_kwargs": None,
    "norm_kwargs": None,
    "hf_model_name": None,
}
VISION = {
    "layers": 12,
    "width": 768,
    "head_width": 64,
    "mlp_ratio": 4.0,
    "patch_size": 16,
    "image_size": 224,
    "ls_init_value": None,
    "attentional_pool": False,
    "no_ln_pre": False,
    "pos_embed_type": "learnable",
    "final_ln_after_pool": False,
    "pool_type": "tok",
    "act_kwargs": None,
    "norm_kwargs": None,
    "timm_model_name": None,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "timm_proj_bias": False,
}
# Variants of a block that are not here, in both towers.
_FEATURES = (
    "qk_norm",
    "scaled_cosine_attn",
    "scale_heads",
    "scale_attn_inner",
    "scale_attn",
    "scale_fc",
    "attentional_pool",
    "final_ln_after_pool",
    "embed_cls",
)
PASSED_OVER = (
    (r"(text\.)?attn_mask", "the causal mask, which needs no file"),
    *modified_resnet.PASSED_OVER,
)
_BLOCK: keymap.BlockNames = {
    "attention_norm": "ln_1",
    "attention": ("attn.in_proj_weight", "attn.in_proj_bias"),
    "out": "attn.out_proj",
    "mlp_norm": "ln_2",
    "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}


def describe(config: Mapping[str, Any]) -> Foreign:
    """The towers of an open_clip_config.json."""
    model = config.get("model_cfg")
    if not isinstance(model, Mapping) or "embed_dim" not in model:
        raise WeightsError("open_clip_config.json has no 'model_cfg' with an 'embed_dim'")
    if model.get("multimodal_cfg"):
        raise WeightsError("open_clip_config.json: models with a decoder (CoCa) are not supported")
    dim = model["embed_dim"]
    text_cfg = model.get("text_cfg") or {}
    # open_clip builds CustomTextCLIP when it is asked for, and for encoders of other libraries.
    below = "text." if model.get("custom_text") else ""
    parts = {
        "image": _vision(Options(model.get("vision_cfg"), VISION, "vision_cfg"), dim, model),
        "text": _text(Options(text_cfg, TEXT, "text_cfg"), dim, model, below),
    }
    return Foreign(
        "open_clip",
        parts,
        scale="logit_scale",
        bias=None if model.get("init_logit_bias") is None else "logit_bias",
        passed_over=PASSED_OVER,
    )


def _common(options: Options, model: Mapping[str, Any], heads: int) -> dict[str, Any]:
    """Options of a transformer in both towers."""
    for key in _FEATURES:
        if options.get(key):
            raise WeightsError(f"open_clip_config.json: {key} is not supported")
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    acts = options.get("act_kwargs") or {}
    if acts and (activation != "gelu" or acts != {"approximate": "tanh"}):
        raise WeightsError(f"act_kwargs={acts!r} is not supported, only approximate='tanh' is")
    width = options.size("width")
    mlp = width * options["mlp_ratio"]
    return {
        "width": width,
        "depth": options.size("layers"),
        "heads": heads,
        "mlp_width": int(mlp),
        "activation": "gelu_tanh" if acts else activation,
        "eps": float((options.get("norm_kwargs") or {}).get("eps", 1e-5)),
    }


def _blocks(theirs: str, depth: int) -> tuple[keymap.Rule, ...]:
    return keymap.blocks(f"{theirs}transformer.resblocks.{{}}.", depth, **_BLOCK)


def _vision(options: Options, dim: int, model: Mapping[str, Any]) -> Part:
    if options.get("timm_model_name") is not None:
        return timm.tower(options, dim)
    if not isinstance(options["layers"], int):
        return modified_resnet.tower(options, dim)
    options.only("ls_init_value", None, "is not supported")
    options.only("pos_embed_type", "learnable", "is not supported, only 'learnable' is")
    options.only("pool_type", "tok", "is not supported, only 'tok', the class token, is")
    width = options.size("width")
    common = _common(options, model, width // options["head_width"])
    patch = options.size("patch_size")
    pre_norm = not options.get("no_ln_pre")
    encoder = {
        "type": "vit",
        "image_size": options.image_size(),
        "patch": patch,
        "channels": 3,
        "pool": "cls",
        "pre_norm": pre_norm,
        "patch_bias": False,
        **common,
    }
    theirs = "visual."
    rules = keymap.patches("encoder/stem/project", f"{theirs}conv1", patch, 3, bias=False)
    rules += keymap.reshaped(
        "encoder/class_token", f"{theirs}class_embedding", (1, width), (width,)
    )
    rules += keymap.same("encoder/position", f"{theirs}positional_embedding")
    if pre_norm:
        rules += keymap.norm("encoder/pre_norm", f"{theirs}ln_pre")
    rules += _blocks(theirs, common["depth"])
    rules += keymap.norm("encoder/transformer/norm", f"{theirs}ln_post")
    # Their projection is a bare matrix [width, dim], multiplied from the right, as ours.
    rules += keymap.same("head/project/kernel", f"{theirs}proj")
    return Part(encoder, {"type": "linear", "dim": dim, "bias": False}, rules)


def _text(options: Options, dim: int, model: Mapping[str, Any], below: str) -> Part:
    for key in ("hf_model_name", "ls_init_value"):
        options.only(key, None, "is not supported")
    options.only("proj_type", "linear", "is not supported, only 'linear' is")
    common = _common(options, model, options.size("heads"))
    vocabulary, causal = options.size("vocab_size"), not options.get("no_causal_mask")
    pool, eos = options["pool_type"], options.get("eos_id")
    if pool == "argmax":  # of the ids: the end of text has the largest
        pool, eos = "eos", vocabulary - 1
    pools = {"eos": "eot", "last": "last", "first": "cls"}
    if pool not in pools or (pool == "first" and causal):
        raise WeightsError(f"text_cfg: pool_type={pool!r} is none of argmax, eos, last, first")
    encoder = {
        "type": "text_transformer",
        "vocab_size": vocabulary,
        "length": options.size("context_length"),
        "causal": causal,
        "pool": pools[pool],
        "mask_padding": False,
        **common,
    }
    if pool == "eos":
        encoder["eos_id"] = eos
    bias = bool(options.get("proj_bias"))
    rules = (
        *keymap.same("encoder/token", f"{below}token_embedding.weight"),
        *keymap.same("encoder/position", f"{below}positional_embedding"),
        *_blocks(below, common["depth"]),
        *keymap.norm("encoder/transformer/norm", f"{below}ln_final"),
    )
    if bias:  # a linear layer, and no bare matrix
        rules += keymap.linear("head/project", f"{below}text_projection")
    else:
        rules += keymap.same("head/project/kernel", f"{below}text_projection")
    return Part(encoder, {"type": "linear", "dim": dim, "bias": bias}, rules)


def compose(
    image: Mapping[str, Mapping[str, Any]],
    text: Mapping[str, Mapping[str, Any]],
    log_scale: float,
    bias: float | None,
) -> dict[str, Any]:
    """`model_cfg` for two towers, `{encoder, head}` each; see `clip.compose`.

    Args:
      image, text: the towers.
      log_scale: of the logits.
      bias: of the logits, or None.
    """
    vision, words = image["encoder"], text["encoder"]
    pools = {"eot": "eos", "last": "last", "cls": "first"}
    text_cfg = {
        "context_length": words["length"],
        "vocab_size": words["vocab_size"],
        "no_causal_mask": not words["causal"],
        "pool_type": pools.get(words["pool"], "none"),
        "pad_id": words["pad_id"],
        "heads": words["heads"],
        "proj_bias": bool(text["head"].get("bias")),
        **_sizes(words),
    }
    if words["pool"] == "eot":
        text_cfg["eos_id"] = words["eos_id"]
    model = {
        "embed_dim": image["head"].get("dim", vision["width"]),
        "quick_gelu": words["activation"] == "quick_gelu",
        "custom_text": True,
        "init_logit_scale": log_scale,
        "vision_cfg": {
            "image_size": vision["image_size"][0],
            "patch_size": vision["patch"],
            "head_width": vision["width"] // vision["heads"],
            "no_ln_pre": not vision["pre_norm"],
            **_sizes(vision),
        },
        "text_cfg": text_cfg,
    }
    if bias is not None:
        model["init_logit_bias"] = bias
    return model


def _sizes(encoder: Mapping[str, Any]) -> dict[str, Any]:
    width, hidden = encoder["width"], encoder["mlp_width"] or 4 * encoder["width"]
    found = {
        "layers": encoder["depth"],
        "width": width,
        "mlp_ratio": hidden / width,
        "norm_kwargs": {"eps": encoder["eps"]},
    }
    if not math.isclose(int(width * found["mlp_ratio"]), hidden):
        found["mlp_ratio"] = (hidden + 0.5) / width
    if encoder["activation"] == "gelu_tanh":
        found["act_kwargs"] = {"approximate": "tanh"}
    return found

"""GPT-2 in Hugging Face's layout: `GPT2Model`, alone or with its language-modelling head.

Radford et al. 2019. A causal text tower; the head, whose matrix is that of the token vectors, is
not used. A config.json with a smaller `n_layer` than the file has blocks takes the first ones, as
forecasters and captioners use GPT-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "vocab_size": 50257,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_inner": None,
    "n_positions": 1024,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "eos_token_id": 50256,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
# What the options that transformers share are called here.
_KEYS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "hidden_act": "activation_function",
    "layer_norm_eps": "layer_norm_epsilon",
}
_BLOCK = "h.{}."
_HERE = "encoder/transformer/blocks"


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a GPT-2 config.json; it pads with the id that ends a text."""
    own = {**DEFAULTS, **config}
    own |= {ours: own[theirs] for ours, theirs in _KEYS.items()}
    own["intermediate_size"] = own["n_inner"] or 4 * own["n_embd"]
    options = Options(own, {}, "config.json")
    for key in ("scale_attn_weights", "scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        options.only(key, DEFAULTS[key], "is not supported: GPT-2 as published has not")
    common, end = options.transformer(), options["eos_token_id"]
    depth = common["depth"]
    encoder = {
        "type": "text_transformer",
        "vocab_size": options.size("vocab_size"),
        "length": options.size("n_positions"),
        "causal": True,
        "pool": "last",
        "pad_id": end,
        "eos_id": end,
        "mask_padding": True,
        **common,
    }
    rules = (
        *keymap.same("encoder/token", "wte.weight"),
        *keymap.same("encoder/position", "wpe.weight"),
        *keymap.norm(f"{_HERE}/attention_norm", _BLOCK + "ln_1", depth),
        *_fused(depth, "weight", "kernel"),
        *_fused(depth, "bias", "bias"),
        *_linear("attention/out", "attn.c_proj", depth),
        *keymap.norm(f"{_HERE}/mlp_norm", _BLOCK + "ln_2", depth),
        *_linear("mlp/up", "mlp.c_fc", depth),
        *_linear("mlp/down", "mlp.c_proj", depth),
        *keymap.norm("encoder/transformer/norm", "ln_f"),
    )
    kept = "|".join(map(str, range(depth)))
    passed_over = (
        (r".*\.attn\.(masked_)?bias", "the causal mask, which needs no file"),
        (r"lm_head\..*", "the head of one task"),
        (rf"(\w+\.)?h\.(?!({kept})\.)\d+\..*", f"a block behind the n_layer={depth} of the config"),
    )
    part = Part(encoder, {"type": "none"}, rules, prefixes=("", "transformer."))
    return Foreign("GPT-2", {"text": part}, passed_over=passed_over)


def _linear(ours: str, theirs: str, depth: int) -> tuple[Rule, ...]:
    """A linear layer of every block, whose matrix is [in, out] there, too."""
    weight = keymap.same(f"{_HERE}/{ours}/kernel", f"{_BLOCK}{theirs}.weight", depth)
    return weight + keymap.same(f"{_HERE}/{ours}/bias", f"{_BLOCK}{theirs}.bias", depth)


def _fused(depth: int, theirs: str, ours: str) -> tuple[Rule, ...]:
    """Query, key and value, side by side in one array [..., 3 W] there."""
    return (
        Rule(
            tuple(f"{_HERE}/attention/{part}/{ours}" for part in ("query", "key", "value")),
            (f"{_BLOCK}attn.c_attn.{theirs}",),
            lambda a: tuple(np.split(a[0], 3, axis=-1)),
            lambda a: (np.concatenate(a, axis=-1),),
            depth,
        ),
    )

"""wav2vec 2.0 and HuBERT in Hugging Face's layout: `Wav2Vec2Model`, `HubertModel`.

Baevski et al. 2020; Hsu et al. 2021. A sound embeds as it does there alone, without padding, with
the mean of the positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

RATE = 16_000
DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "conv_dim": (512,) * 7,
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_bias": False,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "do_stable_layer_norm": False,
    "add_adapter": False,
    "adapter_attn_dim": None,
    "feat_proj_layer_norm": True,
    "conv_pos_batch_norm": False,
}
PASSED_OVER = (
    (r"(\w+\.)?masked_spec_embed", "used only to train by masking"),
    (r"(quantizer|project_hid|project_q)\..*", "used only to train"),
    (r"(lm_head|projector|classifier)\..*|layer_weights", "the head of one task"),
)
# What older files call the two parts of a kernel with weight normalization.
_PARTS = "parametrizations.weight.original"
RENAMED = ((".conv.weight_g", f".conv.{_PARTS}0"), (".conv.weight_v", f".conv.{_PARTS}1"))
_BLOCK: keymap.BlockNames = {
    "attention_norm": "layer_norm",
    "attention": ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    "out": "attention.out_proj",
    "mlp_norm": "final_layer_norm",
    "up": "feed_forward.intermediate_dense",
    "down": "feed_forward.output_dense",
}


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a config.json of wav2vec 2.0 or HuBERT."""
    hubert = config.get("model_type") == "hubert"
    options = Options(config, DEFAULTS, "config.json")
    options.only("feat_extract_activation", "gelu", "is not supported, only 'gelu' is")
    for key in ("add_adapter", "conv_pos_batch_norm"):
        options.only(key, False, "is not supported")
    options.only("adapter_attn_dim", None, "is not supported")
    options.only("feat_proj_layer_norm", True, "is not supported")
    common, stable = options.transformer(), bool(options.get("do_stable_layer_norm"))
    bias, normed = bool(options.get("conv_bias")), options["feat_extract_norm"]
    encoder = {
        "type": "wav2vec2",
        "conv_widths": tuple(options["conv_dim"]),
        "conv_kernels": tuple(options["conv_kernel"]),
        "conv_strides": tuple(options["conv_stride"]),
        "conv_norm": normed,
        "conv_bias": bias,
        "position_kernel": options.size("num_conv_pos_embeddings"),
        "position_groups": options.size("num_conv_pos_embedding_groups"),
        "norm": "pre" if stable else "post",
        **common,
    }
    rules: tuple[Rule, ...] = ()
    for i in range(len(encoder["conv_widths"])):
        theirs = f"feature_extractor.conv_layers.{i}"
        rules += keymap.convolution_1d(f"encoder/convs/{i}", f"{theirs}.conv", bias=bias)
        if i == 0 or normed == "layer":
            rules += keymap.norm(f"encoder/conv_norms/{i}", f"{theirs}.layer_norm")
    rules += keymap.norm("encoder/features_norm", "feature_projection.layer_norm")
    rules += keymap.linear("encoder/project", "feature_projection.projection")
    rules += _weight_normalized("encoder/position", "encoder.pos_conv_embed.conv")
    ours = "encoder/transformer/norm" if stable else "encoder/embedding_norm"
    rules += keymap.norm(ours, "encoder.layer_norm")
    rules += keymap.blocks("encoder.layers.{}.", common["depth"], **_BLOCK)
    prefixes = ("", "hubert." if hubert else "wav2vec2.")
    part = Part(encoder, {"type": "none"}, rules, prefixes=prefixes)
    family = "HuBERT" if hubert else "wav2vec 2.0"
    return Foreign(family, {"audio": part}, passed_over=PASSED_OVER, renamed=RENAMED)


def check(processor: Mapping[str, Any]) -> None:
    """Raises WeightsError for a `preprocessor_config.json` of sounds that are not normalized."""
    defaults = {"sampling_rate": RATE, "do_normalize": True}
    options = Options(processor, defaults, "preprocessor_config.json")
    for key, value in defaults.items():
        options.only(key, value, f"is not supported, only {value} is")


def _weight_normalized(ours: str, theirs: str) -> tuple[Rule, ...]:
    """A convolution [n, in, out] whose kernel is a length for each of n, and directions, there."""

    def lengths(kernel: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.sqrt((kernel**2).sum(axis=(0, 1), keepdims=True))
        return found

    def read(a: keymap.Arrays) -> keymap.Arrays:
        length, direction = (np.asarray(part, np.float32) for part in a)
        return ((length / lengths(direction) * direction).transpose(2, 1, 0),)

    def write(a: keymap.Arrays) -> keymap.Arrays:
        kernel = a[0].transpose(2, 1, 0)
        return lengths(kernel), kernel

    names = f"{theirs}.{_PARTS}0", f"{theirs}.{_PARTS}1"
    rule = Rule((f"{ours}/kernel",), names, read, write)
    return (rule, *keymap.same(f"{ours}/bias", f"{theirs}.bias"))

"""AST in Hugging Face's layout: `ASTModel`, or `ASTForAudioClassification` without its classifier.

Gong et al. 2021. Its spectrograms are normalised as (x + 4.2677393) / (2 * 4.5689974) where the
folder's `preprocessor_config.json` says nothing else; that is for the view to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.checkpoints.weights import keymap, vit
from mmjax.checkpoints.weights.hf_options import Options
from mmjax.checkpoints.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "patch_size": 16, "frequency_stride": 10, "time_stride": 10,
    "max_length": 1024, "num_mel_bins": 128, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    "qkv_bias": True,
}  # fmt: skip
PASSED_OVER = ((r"classifier\..*", "the classifier of one task"),)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of an AST config.json."""
    options = Options(config, DEFAULTS, "config.json")
    options.only("qkv_bias", True, "is not supported: query, key and value have biases here")
    common = options.transformer()
    width = common["width"]
    encoder = {
        "type": "spectrogram_transformer", "frames": options.size("max_length"),
        "mels": options.size("num_mel_bins"), "patch": options.size("patch_size"),
        "stride": (options.size("time_stride"), options.size("frequency_stride")), **common,
    }  # fmt: skip
    names = tuple(f"embeddings.{n}_token" for n in ("cls", "distillation"))
    rules = (
        Rule(
            ("encoder/special_tokens",),
            names,
            lambda a: (np.concatenate(a)[:, 0],),
            lambda a: (a[0][:1, None], a[0][1:, None]),
        ),
        *keymap.reshaped(
            "encoder/position", "embeddings.position_embeddings", (-1, width), (1, -1, width)
        ),
        *keymap.convolution("encoder/project", "embeddings.patch_embeddings.projection"),
        *keymap.blocks("encoder.layer.{}.", common["depth"], **vit.BLOCK),
        *keymap.norm("encoder/transformer/norm", "layernorm"),
    )
    prefixes = ("", "audio_spectrogram_transformer.")
    part = Part(encoder, {"type": "none"}, rules, prefixes=prefixes)
    return Foreign("AST", {"audio": part}, passed_over=PASSED_OVER)

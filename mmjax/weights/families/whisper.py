"""Whisper's encoder in Hugging Face's layout: of `WhisperModel` and what is made of it.

Radford et al. 2022. The decoder is left aside; keys have no bias there, and one of zeros here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.encoders.whisper import WHISPER
from mmjax.schema.values import plain
from mmjax.weights import keymap
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part

DEFAULTS = {
    "num_mel_bins": 80,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "activation_function": "gelu",
    "max_source_positions": 1500,
}
_KEYS = {
    "hidden_size": "d_model",
    "num_hidden_layers": "encoder_layers",
    "num_attention_heads": "encoder_attention_heads",
    "intermediate_size": "encoder_ffn_dim",
    "hidden_act": "activation_function",
}
# Of `WhisperFeatureExtractor`.
SOUNDS = {"sampling_rate": WHISPER.rate, "hop_length": WHISPER.hop, "n_fft": WHISPER.fft}
PASSED_OVER = (
    (r"(model\.)?decoder\..*|proj_out\..*", "the decoder"),
    (r"(projector|classifier)\..*|layer_weights", "the head of one task"),
)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of a Whisper config.json."""
    whole = {**DEFAULTS, **config}
    named = {ours: whole[key] for ours, key in _KEYS.items()}
    common = Options(named, {"layer_norm_eps": 1e-5}, "config.json").transformer()
    sounds = Options(config, DEFAULTS, "config.json")
    depth, width = common["depth"], common["width"]
    encoder = {
        "type": "whisper",
        "samples": 2 * sounds.size("max_source_positions") * WHISPER.hop,
        "spectrogram": {**plain(WHISPER), "mels": sounds.size("num_mel_bins")},
        **common,
    }
    here, there = "encoder/transformer/blocks", "encoder.layers.{}."
    attention = f"{here}/attention", f"{there}self_attn"
    rules = keymap.same("encoder/position", "encoder.embed_positions.weight")
    for i in range(2):
        rules += keymap.convolution_1d(f"encoder/convs/{i}", f"encoder.conv{i + 1}")
    rules += keymap.norm(f"{here}/attention_norm", f"{there}self_attn_layer_norm", depth)
    for ours, theirs in (("query", "q_proj"), ("value", "v_proj"), ("out", "out_proj")):
        rules += keymap.linear(f"{attention[0]}/{ours}", f"{attention[1]}.{theirs}", depth)
    rules += keymap.matrix(f"{attention[0]}/key/kernel", f"{attention[1]}.k_proj.weight", depth)
    rules += keymap.zeros(f"{attention[0]}/key/bias", (width,), depth)
    rules += keymap.norm(f"{here}/mlp_norm", f"{there}final_layer_norm", depth)
    rules += keymap.linear(f"{here}/mlp/up", f"{there}fc1", depth)
    rules += keymap.linear(f"{here}/mlp/down", f"{there}fc2", depth)
    rules += keymap.norm("encoder/transformer/norm", "encoder.layer_norm")
    part = Part(encoder, {"type": "none"}, rules, prefixes=("", "model."))
    return Foreign("Whisper", {"audio": part}, passed_over=PASSED_OVER)


def check(processor: Mapping[str, Any], mels: int) -> None:
    """Raises WeightsError for a `preprocessor_config.json` of other spectrograms."""
    options = Options(processor, {**SOUNDS, "feature_size": mels}, "preprocessor_config.json")
    for key, value in SOUNDS.items():
        options.only(key, value, f"is not supported, only {value} is")
    options.only("feature_size", mels, f"is not config.json's num_mel_bins={mels}")

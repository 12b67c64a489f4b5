"""CLAP in Hugging Face's layout: `ClapModel`, or one of its towers.

Wu et al. 2023. Audio: HTSAT over log-mel spectrograms, as `ClapFeatureExtractor` makes them; text:
RoBERTa with BERT's pooler. Each has a projection of two layers. Models with feature fusion
(`enable_fusion`) take four spectrograms of a sound of more than 10 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.weights import keymap
from mmjax.weights.families import bert
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

TEXT = {
    **bert.ROBERTA,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "projection_hidden_act": "relu",
}
AUDIO = {
    "window_size": 8,
    "num_mel_bins": 64,
    "spec_size": 256,
    "hidden_act": "gelu",
    "patch_size": 4,
    "patch_stride": (4, 4),
    "hidden_size": 768,
    "depths": (2, 2, 6, 2),
    "num_attention_heads": (4, 8, 16, 32),
    "enable_fusion": False,
    "patch_embed_input_channels": 1,
    "flatten_patch_embeds": True,
    "patch_embeds_hidden_size": 96,
    "enable_patch_layer_norm": True,
    "qkv_bias": True,
    "mlp_ratio": 4.0,
    "layer_norm_eps": 1e-5,
    "projection_hidden_act": "relu",
    "aff_block_r": 4,
}
# Of a preprocessor_config.json.
SOUND = {
    "feature_size": 64,
    "sampling_rate": 48_000,
    "hop_length": 480,
    "max_length_s": 10,
    "fft_window_size": 1024,
    "frequency_min": 0,
    "frequency_max": 14_000,
    "truncation": "fusion",
    "padding": "repeatpad",
}
PASSED_OVER = (
    *bert.PASSED_OVER[:2],
    (r".*\.relative_position_index", "numbers that follow from the window, which need no file"),
    (r".*\.num_batches_tracked", "a counter of training"),
    (r"logit_scale_t", "a second scale, of logits of texts by audio; one serves both ways here"),
)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The towers of a CLAP config.json."""
    kind = config.get("model_type", "clap")
    parts = {}
    if kind in ("clap", "clap_audio_model"):
        section = config if kind != "clap" else config.get("audio_config")
        options = Options(section, AUDIO, "audio_config")
        parts["audio"] = _audio(options, *_head(config, options, "audio_projection"))
    if kind in ("clap", "clap_text_model"):
        section = config if kind != "clap" else config.get("text_config")
        options = Options(section, TEXT, "text_config")
        parts["text"] = _text(
            {**TEXT, **(section or {})}, *_head(config, options, "text_projection")
        )
    scale = "logit_scale_a" if kind == "clap" else None
    return Foreign("CLAP", parts, scale=scale, passed_over=PASSED_OVER)


def _head(
    config: Mapping[str, Any], options: Options, name: str
) -> tuple[dict[str, Any], tuple[Rule, ...]]:
    """Spec and rules of the projection; a tower saved alone may have none."""
    whole = config.get("model_type", "clap") == "clap"
    if not whole and not any("WithProjection" in a for a in config.get("architectures") or []):
        return {"type": "none"}, ()
    dim = config.get("projection_dim", 512)
    if type(dim) is not int or dim < 1:
        raise WeightsError(f"projection_dim={dim!r} should be a whole number above 0")
    rules = [keymap.linear(f"head/layers/{i}", f"{name}.linear{i + 1}") for i in range(2)]
    act = config.get("projection_hidden_act") or options["projection_hidden_act"]
    activation = Options({"hidden_act": act}, {}, "projection").activation()
    return {"type": "mlp", "dim": dim, "hidden": dim, "activation": activation}, sum(rules, ())


def _text(config: dict[str, Any], head: dict[str, Any], head_rules: tuple[Rule, ...]) -> Part:
    part = bert.describe({**config, "model_type": "roberta"}).parts["text"]
    rules = part.rules + keymap.linear("encoder/pooler", "pooler.dense")
    encoder = {**part.encoder, "pool": "pooler"}
    return Part(encoder, head, rules, ("text_model.", ""), head_rules)


def _audio(options: Options, head: dict[str, Any], head_rules: tuple[Rule, ...]) -> Part:
    options.only("qkv_bias", True, "is not supported: query, key and value have biases here")
    options.only("patch_embed_input_channels", 1, "is not supported: spectrograms have one channel")
    options.only("flatten_patch_embeds", True, "is not supported")
    if options["enable_fusion"] and options.get("fusion_type") == "channel_map":
        raise WeightsError(
            "audio_config: fusion_type='channel_map' is not supported, only attentional feature "
            "fusion ('aff_2d') is"
        )
    width, depths = options.size("patch_embeds_hidden_size"), tuple(options["depths"])
    options.only(
        "hidden_size",
        width * 2 ** (len(depths) - 1),
        "is not the width of the last stage, patch_embeds_hidden_size 2^(stages - 1)",
    )
    mels, side = options.size("num_mel_bins"), options.size("spec_size")
    if side % mels:
        raise WeightsError(f"audio_config: spec_size={side} is no multiple of num_mel_bins={mels}")
    encoder = {
        "type": "htsat",
        "frames": side * side // mels,
        "mels": mels,
        "patch": _side(options, "patch_size"),
        "stride": _side(options, "patch_stride"),
        "width": width,
        "depths": depths,
        "heads": tuple(options["num_attention_heads"]),
        "window": options.size("window_size"),
        "mlp_ratio": float(options["mlp_ratio"]),
        "patch_norm": bool(options["enable_patch_layer_norm"]),
        "activation": options.activation(),
        "eps": float(options["layer_norm_eps"]),
        "fusion_reduction": options.size("aff_block_r") if options["enable_fusion"] else None,
    }
    rules = (
        *keymap.convolution("encoder/project", "patch_embed.proj"),
        *keymap.batch_norm("encoder/bands/norm", "batch_norm"),
        *keymap.norm("encoder/norm", "norm"),
    )
    if encoder["fusion_reduction"]:
        rules += _fusion("encoder/long_sounds", "patch_embed")
    if encoder["patch_norm"]:
        rules += keymap.norm("encoder/patch_norm", "patch_embed.norm")
    for i, depth in enumerate(depths):
        for j in range(depth):
            rules += _block(f"encoder/stages/{i}/blocks/{j}", f"layers.{i}.blocks.{j}.")
        if i < len(depths) - 1:
            ours, theirs = f"encoder/stages/{i}/merge", f"layers.{i}.downsample"
            rules += keymap.norm(f"{ours}/norm", f"{theirs}.norm")
            rules += keymap.linear(f"{ours}/reduce", f"{theirs}.reduction", bias=False)
    prefixes = ("audio_model.audio_encoder.", "audio_encoder.")
    return Part(encoder, head, rules, prefixes, head_rules)


def _block(ours: str, theirs: str) -> tuple[Rule, ...]:
    rules = keymap.norm(f"{ours}/attention_norm", f"{theirs}layernorm_before")
    for part in ("query", "key", "value"):
        rules += keymap.linear(f"{ours}/attention/{part}", f"{theirs}attention.self.{part}")
    return (
        *rules,
        *keymap.same(
            f"{ours}/attention/offset_bias", f"{theirs}attention.self.relative_position_bias_table"
        ),
        *keymap.linear(f"{ours}/attention/out", f"{theirs}attention.output.dense"),
        *keymap.norm(f"{ours}/mlp_norm", f"{theirs}layernorm_after"),
        *keymap.linear(f"{ours}/mlp/up", f"{theirs}intermediate.dense"),
        *keymap.linear(f"{ours}/mlp/down", f"{theirs}output.dense"),
    )


def _fusion(ours: str, theirs: str) -> tuple[Rule, ...]:
    rules = keymap.convolution(f"{ours}/project", f"{theirs}.mel_conv2d")
    # The layers are numbered; of `global_att` the first is the mean.
    for gate, name, first in (("local", "local_att", 0), ("overall", "global_att", 1)):
        for i, layer in ((0, "down"), (3, "up")):
            here, there = f"{ours}/{gate}/{layer}", f"{theirs}.fusion_model.{name}"
            rules += keymap.convolution(here, f"{there}.{first + i}")
            rules += keymap.batch_norm(f"{here}_norm/norm", f"{there}.{first + i + 1}")
    return rules


def _side(options: Options, key: str) -> int:
    """One number, or two that are equal."""
    value = options[key]
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(set(pair)) != 1 or type(pair[0]) is not int or pair[0] < 1:
        raise WeightsError(f"audio_config: {key}={value!r} should be one number above 0")
    return pair[0]


def view(config: Mapping[str, Any], *, fuses: bool = False) -> dict[str, Any]:
    """The spec of the view that makes of sounds what `ClapFeatureExtractor` does.

    Args:
      config: of `preprocessor_config.json`.
      fuses: whether the model fuses the parts of longer sounds.

    Raises:
      WeightsError: for options that are not supported.
    """
    options = Options(config, SOUND, "preprocessor_config.json")
    if options["padding"] not in ("repeatpad", "repeat", "pad"):
        raise WeightsError(
            f"preprocessor_config.json: padding={options['padding']!r} is none of repeatpad, "
            "repeat, pad"
        )
    fused = options["truncation"] == "fusion"
    if fuses and not fused:
        raise WeightsError(
            f"preprocessor_config.json: truncation={options['truncation']!r}, and the model "
            "fuses parts of longer sounds: its extractor has truncation='fusion'"
        )
    return {
        "type": "log_mel",
        "rate": options.size("sampling_rate"),
        "seconds": options.size("max_length_s"),
        "window": options.size("fft_window_size"),
        "hop": options.size("hop_length"),
        "mels": options.size("feature_size"),
        "low": float(options["frequency_min"]),
        "high": float(options["frequency_max"]),
        # Models with feature fusion were trained on other triangles.
        "filters": "htk" if fused else "slaney",
        "padding": options["padding"],
        "fusion": fuses,
    }

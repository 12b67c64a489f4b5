"""AST in Hugging Face's layout: `ASTModel`, or `ASTForAudioClassification` without its classifier.

Gong et al. 2021. Two encoders here are this network: `spectrogram_transformer`, on spectrograms
that somebody else has made and normalised, and `audio_transformer`, on waveforms, of which it makes
the spectrograms that `ASTFeatureExtractor` makes (`of_waves`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mmjax.encoders.spectrogram import Spectrogram
from mmjax.weights import keymap
from mmjax.weights.families import vit
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
    "frequency_stride": 10,
    "time_stride": 10,
    "max_length": 1024,
    "num_mel_bins": 128,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "qkv_bias": True,
}
# Of `ASTFeatureExtractor`, which is Kaldi's `fbank` with these settings.
SOUNDS = {
    "sampling_rate": 16_000,
    "num_mel_bins": 128,
    "max_length": 1024,
    "do_normalize": True,
    "mean": -4.2677393,
    "std": 4.5689974,
}
FRONT_END = {
    "rate": 16_000,
    "window": 400,
    "hop": 160,
    "fft": 512,
    "low": 20.0,
    "style": "kaldi",
    "scale": "htk",
    "floor": 2.0**-23,
}
PASSED_OVER = ((r"classifier\..*", "the classifier of one task"),)


def describe(config: Mapping[str, Any]) -> Foreign:
    """The tower of an AST config.json."""
    options = Options(config, DEFAULTS, "config.json")
    options.only("qkv_bias", True, "is not supported: query, key and value have biases here")
    common = options.transformer()
    width = common["width"]
    encoder = {
        "type": "spectrogram_transformer",
        "frames": options.size("max_length"),
        "mels": options.size("num_mel_bins"),
        "patch": options.size("patch_size"),
        "stride": (options.size("time_stride"), options.size("frequency_stride")),
        **common,
    }
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


def of_waves(part: Part, processor: Mapping[str, Any] | None) -> Part:
    """The same tower on waveforms, as `audio_transformer`.

    It gives what the folder's extractor and model give of a sound: frames after the end of a sound
    are 0 before they are normalised, and are attended to. A sound ends at its last sample that is
    not 0, so one that ends in digital silence is shorter here.

    Args:
      part: what `describe` says.
      processor: the folder's `preprocessor_config.json`, None where there is none.

    Raises:
      WeightsError: where the spectrograms of the folder are not known, or none that are made here.
    """
    if processor is None:
        raise WeightsError(
            "audio_transformer makes spectrograms of sounds, and what the folder's were is not "
            "known: there is no preprocessor_config.json in it (spectrogram_transformer takes "
            "spectrograms that are ready)"
        )
    file, network = "preprocessor_config.json", part.encoder
    options = Options(processor, SOUNDS, file)
    options.only("sampling_rate", FRONT_END["rate"], "is not the rate of Kaldi's settings here")
    for key, ours in (("num_mel_bins", "mels"), ("max_length", "frames")):
        options.only(key, network[ours], f"is not config.json's {key}={network[ours]}")
    normalized = options["do_normalize"]
    mean, std = (options["mean"], 2 * options["std"]) if normalized else (0.0, 1.0)
    spectrogram = {**FRONT_END, "mels": network["mels"], "mean": float(mean), "std": float(std)}
    # Frames that no patch reaches are left out.
    patch, step = network["patch"], network["stride"][0]
    frames = patch + (network["frames"] - patch) // step * step
    kept = {k: v for k, v in network.items() if k not in ("type", "frames", "mels")}
    encoder = {
        "type": "audio_transformer",
        "samples": FRONT_END["window"] + (frames - 1) * FRONT_END["hop"],
        "spectrogram": spectrogram,
        "mask_padding": False,
        "padding": -mean / std,
        **kept,
    }
    rules = tuple(
        replace(r, ours=tuple(p.replace("encoder/", "encoder/transformer/", 1) for p in r.ours))
        for r in part.rules
    )
    return replace(part, encoder=encoder, rules=rules)


def grid(encoder: Mapping[str, Any]) -> tuple[int, int]:
    """(bands, times) of the patches of an `audio_transformer`."""
    patch, stride = encoder["patch"], encoder["stride"]
    spectrogram = Spectrogram(**encoder["spectrogram"])
    more = max(spectrogram.frames(encoder["samples"]) - patch, 0)
    return (spectrogram.mels - patch) // stride[1] + 1, -(-more // stride[0]) + 1

"""Folders in foreign layouts with random numbers, made by our key maps: no torch needed."""

import json

import numpy as np

from mmjax.weights import files, keymap
from mmjax.weights.foreign import FAMILIES, complete, tower_shapes

WIDE = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 24,
}
VISION = {**WIDE, "image_size": 16, "patch_size": 8}
TEXT = {**WIDE, "vocab_size": 30, "max_position_embeddings": 9}
CONFIGS = {
    "clip": {
        "model_type": "clip",
        "projection_dim": 12,
        "vision_config": VISION,
        "text_config": {**TEXT, "eos_token_id": 3},
    },
    "siglip": {"model_type": "siglip", "vision_config": VISION, "text_config": TEXT},
    "vit": {"model_type": "vit", **VISION},
    "dinov2": {"model_type": "dinov2", **VISION},
    "ast": {
        "model_type": "audio-spectrogram-transformer",
        **WIDE,
        "patch_size": 6,
        "max_length": 20,
        "num_mel_bins": 12,
        "time_stride": 4,
        "frequency_stride": 3,
    },
    "clap": {
        "model_type": "clap",
        "projection_dim": 12,
        "text_config": {**TEXT, "pad_token_id": 1},
        "audio_config": {
            "hidden_size": 16,
            "patch_embeds_hidden_size": 8,
            "depths": (2, 1),
            "num_attention_heads": (2, 4),
            "num_mel_bins": 8,
            "spec_size": 16,
            "window_size": 2,
            "patch_size": 4,
            "patch_stride": 4,
        },
    },
    "clap_fused": {
        "model_type": "clap_audio_model",
        "hidden_size": 16,
        "patch_embeds_hidden_size": 8,
        "depths": (2, 1),
        "num_attention_heads": (2, 4),
        "num_mel_bins": 8,
        "spec_size": 16,
        "window_size": 2,
        "patch_size": 4,
        "patch_stride": 4,
        "enable_fusion": True,
        "fusion_type": "aff_2d",
    },
    "efficientnet": {"model_type": "efficientnet_lite", "image_size": 32},
    "bert": {"model_type": "bert", **TEXT},
    "roberta": {"model_type": "roberta", **TEXT},
}


def foreign_of(config):
    """The towers of a config."""
    return FAMILIES[config["model_type"]](config)


def tensors_of(config, seed=0):
    """Random tensors of a model, with its scale and bias."""
    rng = np.random.default_rng(seed)
    foreign, tensors = foreign_of(config), {}
    for part in foreign.parts.values():
        tower = complete(part)
        shapes = tower_shapes(tower.encoder, tower.head)
        arrays = {path: rng.normal(size=shape).astype(np.float32) for path, shape in shapes.items()}
        # With the first prefix, as in the whole model.
        own = part.located(())
        tensors.update(keymap.write_tensors(own.rules, arrays))
    if foreign.scale:
        tensors[foreign.scale] = np.float32(2.25)
    if foreign.bias:
        tensors[foreign.bias] = np.float32(-3.5)
    return tensors


def folder_of(config, path, tensors=None):
    """Writes config.json and model.safetensors."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    files.write(path / "model.safetensors", tensors_of(config) if tensors is None else tensors, {})
    return path


def encoder_of(weights, part, kind=None, **options):
    """The spec of a folder's encoder, with other options."""
    return complete(weights.part(part, kind)).encoder.changed(**options)

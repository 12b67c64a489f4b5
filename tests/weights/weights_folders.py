"""Folders in foreign layouts with random numbers, made by our key maps: no torch needed."""

import json

import numpy as np
from third_party import needs

from mmjax.weights import files, keymap
from mmjax.weights.families import open_clip
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
    "whisper": {
        "model_type": "whisper",
        "d_model": 16,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 24,
        "num_mel_bins": 8,
        "max_source_positions": 6,
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
    return _tensors(foreign_of(config), seed)


def _tensors(foreign, seed=0, scale=1.0):
    rng, tensors = np.random.default_rng(seed), {}
    for part in foreign.parts.values():
        tower = complete(part)
        shapes = tower_shapes(tower.encoder, tower.head)
        arrays = {
            path: (scale * rng.normal(size=shape)).astype(np.float32)
            for path, shape in shapes.items()
        }
        variances = {path: np.abs(x) for path, x in arrays.items() if path.endswith("/var")}
        arrays |= variances
        lacking = [path for rule in part.rules for path in rule.ours if not rule.theirs]
        arrays |= {path: np.zeros(shapes[path], np.float32) for path in lacking}
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


# Whole folders, with what prepares images, sounds and texts.

CLIP_IMAGES = {
    "do_center_crop": True,
    "size": {"shortest_edge": 16},
    "crop_size": {"height": 16, "width": 16},
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
    "resample": 3,
}
SIGLIP_IMAGES = {
    "size": {"height": 16, "width": 16},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
}
SOUNDS = {
    "feature_size": 8,
    "sampling_rate": 2000,
    "hop_length": 64,
    "max_length_s": 1,
    "fft_window_size": 128,
    "frequency_min": 50,
    "frequency_max": 900,
    "truncation": "rand_trunc",
    "padding": "repeatpad",
}
VOCABULARY = 300
# Marks before and behind a text, and padding.
MARKS = {
    "clip": ("<|startoftext|>", "<|endoftext|>", "<|endoftext|>"),
    "siglip": (None, "</s>", "</s>"),
    "clap": ("<s>", "</s>", "<pad>"),
}


def tokenizer_of(marks, path, **config):
    """Writes a byte-level `tokenizer.json` and a tokenizer_config.json; the ids of the marks."""
    tokenizers = needs("tokenizers")
    special = sorted({mark for mark in marks if mark})
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        show_progress=False,
        special_tokens=["!", *special],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(["a red circle", "a blue square on white"], trainer)
    ids = {mark: made.token_to_id(mark) for mark in special}
    bos, eos, pad = marks
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single=" ".join(part for part in (bos, "$A", eos) if part),
        special_tokens=[(mark, ids[mark]) for mark in (bos, eos) if mark],
    )
    made.enable_truncation(4)
    made.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad, **config}))
    return tuple(ids.get(mark) for mark in marks)


def whole_folder(family, path):
    """A tiny model of `clip`, `siglip`, `clap` or `open_clip` with all files of its folder."""
    path.mkdir(parents=True, exist_ok=True)
    like = "clip" if family == "open_clip" else family
    _, eos, pad = tokenizer_of(
        MARKS[like], path, **({"do_lower_case": True} if like == "siglip" else {})
    )
    length = {"max_position_embeddings": 12, "vocab_size": VOCABULARY}
    if family == "open_clip":
        text = {
            "context_length": 12,
            "vocab_size": VOCABULARY,
            "width": 16,
            "heads": 2,
            "layers": 2,
        }
        vision = {"image_size": 16, "patch_size": 8, "width": 16, "head_width": 8, "layers": 2}
        model = {
            "embed_dim": 12,
            "vision_cfg": vision,
            "text_cfg": {**text, "pool_type": "eos", "eos_id": eos},
        }
        images = {
            "mean": [0.4, 0.4, 0.4],
            "std": [0.2, 0.2, 0.2],
            "interpolation": "bilinear",
            "resize_mode": "squash",
        }
        config = {"model_cfg": model, "preprocess_cfg": images}
        (path / "open_clip_config.json").write_text(json.dumps(config))
        files.write(
            path / "open_clip_model.safetensors",
            _tensors(open_clip.describe(config), scale=0.2),
            {},
        )
        return path
    config = json.loads(json.dumps(CONFIGS[family]))
    config["text_config"] |= {**length, "pad_token_id": pad, "eos_token_id": eos}
    if family == "clap":
        config["text_config"]["max_position_embeddings"] = 12 + pad + 1
    images = {"clip": CLIP_IMAGES, "siglip": SIGLIP_IMAGES, "clap": SOUNDS}[family]
    (path / "preprocessor_config.json").write_text(json.dumps(images))
    return folder_of(config, path, _tensors(foreign_of(config), scale=0.2))

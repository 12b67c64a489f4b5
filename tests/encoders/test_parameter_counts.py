"""Encoders with published settings have as many parameters as the published weights."""

import jax.numpy as jnp
import pytest
from flax import nnx

from mmjax.encoders import ResNet, TextTransformer, ViT, parameter_count

CLIP = {"activation": "quick_gelu", "eps": 1e-5, "init": "clip"}
CLIP_VIT = {**CLIP, "pool": "cls", "patch_bias": False, "pre_norm": True}
CLIP_RESNET = {"stem": "clip", "antialias": True, "pool": "attention"}
BERT = {
    "vocab_size": 30_522,
    "length": 512,
    "width": 768,
    "heads": 12,
    "causal": False,
    "pool": "cls",
    "norm": "post",
    "embedding_norm": True,
    "segments": 2,
}
SIGLIP = {"activation": "gelu_tanh", "init": "xavier"}
SIGLIP_TEXT = {
    **SIGLIP,
    "vocab_size": 32_000,
    "length": 64,
    "width": 768,
    "heads": 12,
    "causal": False,
    "pool": "last",
    "mask_padding": False,
}


@pytest.mark.parametrize(
    ("encoder", "options", "count"),
    [
        # openai/CLIP: `visual`, less its projection (86,192,640 - 768 x 512 for B/16).
        pytest.param(ViT, CLIP_VIT, 86_192_640 - 768 * 512, id="CLIP ViT-B/16"),
        pytest.param(ViT, {**CLIP_VIT, "patch": 32}, 87_849_216 - 768 * 512, id="CLIP ViT-B/32"),
        # CLIP ViT-B/32 in all, less the image tower, the text projection and the temperature.
        pytest.param(
            TextTransformer,
            {**CLIP, "vocab_size": 49_408},
            151_277_313 - 87_849_216 - 512 * 512 - 1,
            id="CLIP text",
        ),
        pytest.param(ResNet, {**CLIP_RESNET, "pool_width": 1024}, 38_316_896, id="CLIP RN50"),
        # torchvision, less the classifier of 1,000 classes.
        pytest.param(ResNet, {}, 25_557_032 - 2049 * 1000, id="ResNet-50"),
        pytest.param(
            ResNet,
            {"blocks": (3, 4, 23, 3)},
            44_549_160 - 2049 * 1000,
            id="ResNet-101",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ResNet,
            {"block": "basic", "blocks": (2, 2, 2, 2)},
            11_689_512 - 513 * 1000,
            id="ResNet-18",
        ),
        # ViT-B/16 of ImageNet, less the classifier of 1,000 classes.
        pytest.param(ViT, {"eps": 1e-12}, 86_567_656 - 769 * 1000, id="ViT-B/16"),
        # google/siglip-base-patch16-224: 203,155,970 with two temperature numbers.
        pytest.param(ViT, {**SIGLIP, "pool": "map"}, 92_884_224, id="SigLIP B/16 image"),
        pytest.param(
            TextTransformer,
            SIGLIP_TEXT,
            203_155_970 - 2 - 92_884_224 - 769 * 768,
            id="SigLIP B/16 text",
        ),
        # bert-base-uncased, less its pooler.
        pytest.param(TextTransformer, BERT, 109_482_240 - 769 * 768, id="BERT base"),
        # facebook/dinov2-base, less its mask token; positions of 518 pixels, patch 14.
        pytest.param(
            ViT,
            {"image_size": (518, 518), "patch": 14, "layer_scale": 1.0},
            86_580_480 - 768,
            id="DINOv2 B/14",
        ),
    ],
)
def test_counts_are_the_published_ones(encoder, options, count):
    module = nnx.eval_shape(lambda: encoder(**options, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    assert parameter_count(module) == count

"""Folders in open_clip's layout: the same embeddings as `open_clip.create_model` of them."""

import json

import numpy as np
import pytest
import weights_parity as parity
from third_party import needs

from mmjax.weights import foreign
from mmjax.weights.families import perception_encoder, timm
from mmjax.weights.hf_options import Options

VISION = {"layers": 2, "width": 24, "head_width": 8, "patch_size": 10, "image_size": 30}
TEXT = {"context_length": 9, "vocab_size": 50, "width": 20, "heads": 2, "layers": 2}
MODELS = {
    "clip": {"embed_dim": 17, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT},
    "custom text, not causal": {
        "embed_dim": 12,
        "custom_text": True,
        "init_logit_bias": -10.0,
        "init_logit_scale": 2.3,
        "vision_cfg": {**VISION, "no_ln_pre": True, "mlp_ratio": 3.0, "norm_kwargs": {"eps": 1e-3}},
        "text_cfg": {
            **TEXT,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "act_kwargs": {"approximate": "tanh"},
        },
    },
    "eos": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": VISION,
        "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 3},
    },
    "resnet": {
        "embed_dim": 20,
        "vision_cfg": {"layers": [1, 2, 1, 1], "width": 8, "head_width": 32, "image_size": 64},
        "text_cfg": TEXT,
    },
    # timm's own small one, of tests.
    "convnext": {
        "embed_dim": 14,
        "vision_cfg": {"timm_model_name": "test_convnext2", "timm_pool": "", "image_size": 72},
        "text_cfg": TEXT,
    },
    "convnext, mlp": {
        "embed_dim": 14,
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_convnext2", "timm_proj": "mlp", "image_size": 64},
        "text_cfg": TEXT,
    },
    "perception encoder": {
        "embed_dim": 14,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "vit_pe_core_base_patch16_224_test",
            "timm_pool": "map",
            "timm_proj": None,
            "image_size": 40,
        },
        "text_cfg": TEXT,
    },
    # Without a class token, and with another MLP in its pooling than in its blocks.
    "gigantic perception encoder": {
        "embed_dim": 14,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "vit_pe_core_gigantic_patch14_448_test",
            "timm_pool": "map",
            "timm_proj": None,
            "image_size": 40,
        },
        "text_cfg": TEXT,
    },
}
PERCEPTION = {
    "vit_pe_core_base_patch16_224": {
        "patch": 8, "width": 48, "depth": 2, "heads": 3, "mlp_width": 192
    },
    "vit_pe_core_gigantic_patch14_448": {
        "patch": 8, "width": 48, "depth": 2, "heads": 3, "mlp_width": 280,
        "pool_mlp_width": 192, "registers": 0,
    },
}  # fmt: skip
SMALL = {
    "blocks": (1, 1, 1, 1),
    "widths": (32, 64, 96, 128),
    "eps": 1e-5,
    "activation": "gelu_tanh",
}


def register(timm):
    """Small Perception Encoders by timm's own class, with the options of its published ones."""
    import timm.models.eva

    for name in PERCEPTION:

        def small(pretrained=False, name=name, **options):
            published = getattr(timm.models.eva, name)
            sizes = {"embed_dim": 48, "depth": 2, "num_heads": 3}
            if "gigantic" in name:
                sizes["mlp_ratio"] = 280 / 48
            grid = {"img_size": 40, "patch_size": 8, "ref_feat_shape": (5, 5)}
            return published(pretrained, **sizes, **grid, **options)

        small.__name__ = f"{name}_test"
        if not timm.is_model(small.__name__):
            small.__module__ = "timm.models.eva"
            timm.models.register_model(small)


@pytest.mark.parametrize("name", list(MODELS))
def test_open_clip(name, tmp_path, monkeypatch):
    torch, open_clip, safetensors = parity.torch_and("open_clip", "safetensors.torch")
    config = MODELS[name]
    monkeypatch.setitem(timm.CONVNEXT, "test_convnext2", SMALL)
    for published, own in PERCEPTION.items():
        monkeypatch.setitem(perception_encoder.MODELS, f"{published}_test", (40, own))
    if "timm_model_name" in config["vision_cfg"]:
        register(needs("timm"))
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    )
    custom = config.get("custom_text", False)
    rest = {k: v for k, v in config.items() if k != "custom_text"}
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**rest)
    parity.randomize(model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    safetensors.save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    # What open_clip itself makes of the folder.
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    model.eval()

    eos = config["text_cfg"].get("eos_id", 49)
    ids, _ = parity.texts(9, 50, eos=eos, pad=0)
    ours, theirs = parity.pictures(config["vision_cfg"]["image_size"])
    image, _ = parity.embed(tmp_path, "image", ours)
    text, _ = parity.embed(tmp_path, "text", ids)
    parity.assert_close(image, model.encode_image(theirs))
    parity.assert_close(text, model.encode_text(torch.tensor(ids).long()))

    from mmjax.weights.foreign import Weights

    log_scale, bias = Weights(str(tmp_path)).scale_and_bias()
    assert log_scale == pytest.approx(config.get("init_logit_scale", np.log(1 / 0.07)), rel=1e-6)
    assert bias == config.get("init_logit_bias")


@pytest.mark.parametrize("name", list(perception_encoder.MODELS))
def test_published_perception_encoders_have_the_shapes_of_timm(name):
    """Names and shapes of all tensors, without numbers."""
    torch, _ = parity.torch_and("open_clip")
    timm_models = needs("timm")
    side, _ = perception_encoder.MODELS[name]
    with torch.device("meta"):
        model = timm_models.create_model(name, num_classes=20, global_pool="map")
    theirs = {f"visual.trunk.{key}": tuple(v.shape) for key, v in model.state_dict().items()}
    config = {"timm_model_name": name, "image_size": side, "timm_pool": "map", "timm_proj": None}
    part = perception_encoder.tower(Options(config, {}, "vision_cfg"), 20)
    whole, ours = foreign.complete(part), {}
    shapes = foreign.tower_shapes(whole.encoder, whole.head)
    assert set(part.parameters()) == set(shapes)
    for rule in part.rules:
        layer = slice(None) if rule.layers is None else slice(1, None)
        like = tuple(np.broadcast_to(np.float32(0), shapes[path][layer]) for path in rule.ours)
        for names in rule.names():
            written = (array.shape for array in rule.write(like))
            ours |= dict(zip(names, written, strict=True))
    assert ours == theirs

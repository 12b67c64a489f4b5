"""Folders in open_clip's layout: the same embeddings as `open_clip.create_model` of them."""

import json

import numpy as np
import pytest
import weights_parity as parity
from third_party import needs

from mmjax.weights.families import perception_encoder, timm

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
            "timm_model_name": "vit_pe_core_test",
            "timm_pool": "map",
            "timm_proj": None,
            "image_size": 40,
        },
        "text_cfg": TEXT,
    },
}
PERCEPTION = {"patch": 8, "width": 48, "depth": 2, "heads": 3, "mlp_width": 192}
SMALL = {
    "blocks": (1, 1, 1, 1),
    "widths": (32, 64, 96, 128),
    "eps": 1e-5,
    "activation": "gelu_tanh",
}


def register(timm):
    """A small Perception Encoder by timm's own class, with the options of its published ones."""
    import timm.models.eva

    def vit_pe_core_test(pretrained=False, **options):
        published = timm.models.eva.vit_pe_core_base_patch16_224
        sizes = {"embed_dim": 48, "depth": 2, "num_heads": 3}
        grid = {"img_size": 40, "patch_size": 8, "ref_feat_shape": (5, 5)}
        return published(pretrained, **sizes, **grid, **options)

    if not timm.is_model("vit_pe_core_test"):
        vit_pe_core_test.__module__ = "timm.models.eva"
        timm.models.register_model(vit_pe_core_test)


@pytest.mark.parametrize("name", list(MODELS))
def test_open_clip(name, tmp_path, monkeypatch):
    torch, open_clip, safetensors = parity.torch_and("open_clip", "safetensors.torch")
    config = MODELS[name]
    monkeypatch.setitem(timm.CONVNEXT, "test_convnext2", SMALL)
    monkeypatch.setitem(perception_encoder.MODELS, "vit_pe_core_test", (40, PERCEPTION))
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

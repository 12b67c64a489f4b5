"""ViT, DINOv2, BERT, RoBERTa and sentence encoders as `transformers` writes them."""

import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity

SMALL = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2}


@pytest.mark.parametrize("kind", ["ViTModel", "ViTForImageClassification"])
@pytest.mark.parametrize("size", [20, (20, 30)])
def test_vit(kind, size, tmp_path):
    _, transformers = parity.torch_and("transformers")
    config = transformers.ViTConfig(
        **SMALL, intermediate_size=37, image_size=size, patch_size=10, layer_norm_eps=1e-5
    )
    model = parity.randomize(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    ours, theirs = parity.pictures(size)
    _, pooled = parity.embed(tmp_path, "image", ours)
    base = getattr(model, "vit", model)
    parity.assert_close(pooled, base(pixel_values=theirs).last_hidden_state[:, 0])


@pytest.mark.parametrize("registers", [None, 3])
@pytest.mark.parametrize("swiglu", [False, True])
def test_dinov2(registers, swiglu, tmp_path):
    _, transformers = parity.torch_and("transformers")
    options = dict(**SMALL, image_size=28, patch_size=7, use_swiglu_ffn=swiglu, mlp_ratio=3)
    if registers is None:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**options))
    else:
        config = transformers.Dinov2WithRegistersConfig(**options, num_register_tokens=registers)
        model = transformers.Dinov2WithRegistersModel(config)
    parity.randomize(model).save_pretrained(tmp_path)
    ours, theirs = parity.pictures(28)
    _, pooled = parity.embed(tmp_path, "image", ours)
    parity.assert_close(pooled, model(pixel_values=theirs).pooler_output)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((32, 48), {"num_register_tokens": 3}),
        (48, {"use_gated_mlp": True, "hidden_act": "silu", "mlp_bias": False, "query_bias": False}),
    ],
)
def test_dinov3(size, options, tmp_path):
    """Its positions are rotary: the config's image_size says nothing of what images it takes."""
    _, transformers = parity.torch_and("transformers")
    config = transformers.DINOv3ViTConfig(
        **SMALL, intermediate_size=37, image_size=32, patch_size=16, **options
    )
    model = parity.randomize(transformers.DINOv3ViTModel(config))
    model.save_pretrained(tmp_path)
    ours, theirs = parity.pictures(size)
    _, pooled = parity.embed(tmp_path, "image", ours)
    parity.assert_close(pooled, model(pixel_values=theirs).pooler_output)


@pytest.mark.parametrize(
    "kind", ["ConvNextModel", "ConvNextForImageClassification", "ConvNextV2Model"]
)
def test_convnext(kind, tmp_path):
    _, transformers = parity.torch_and("transformers")
    family = kind.partition("Model")[0].partition("For")[0]
    config = getattr(transformers, f"{family}Config")(
        hidden_sizes=[6, 10, 14], depths=[1, 2, 1], num_stages=3, patch_size=3, image_size=30
    )
    model = parity.randomize(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    ours, theirs = parity.pictures((31, 50))
    _, pooled = parity.embed(tmp_path, "image", ours)
    base = getattr(model, "convnext", model)
    parity.assert_close(pooled, base(pixel_values=theirs).pooler_output)


@pytest.mark.parametrize("kind", ["ASTModel", "ASTForAudioClassification"])
def test_ast(kind, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    config = transformers.ASTConfig(
        **SMALL,
        intermediate_size=37,
        patch_size=6,
        max_length=23,
        num_mel_bins=14,
        time_stride=4,
        frequency_stride=3,
        layer_norm_eps=1e-5,
    )
    model = parity.randomize(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    x = np.random.default_rng(0).normal(size=(3, 23, 14)).astype(np.float32)
    _, pooled = parity.embed(tmp_path, "audio", x)
    base = getattr(model, "audio_spectrogram_transformer", model)
    parity.assert_close(pooled, base(input_values=torch.tensor(x)).pooler_output)


BERT = {**SMALL, "intermediate_size": 50, "hidden_act": "gelu"}
DISTIL = {"dim": 24, "n_heads": 3, "n_layers": 2, "hidden_dim": 50}
TEXTS = {
    "Bert": ("bert", {**BERT, "type_vocab_size": 2}),
    "Roberta": ("roberta", {**BERT, "type_vocab_size": 1}),
    "XLMRoberta": ("roberta", {**BERT, "type_vocab_size": 1}),
    "DistilBert": ("distilbert", DISTIL),
    "MPNet": ("mpnet", BERT),
    "ModernBert": (
        "model",
        {
            **SMALL,
            "num_hidden_layers": 5,
            "intermediate_size": 26,
            "hidden_activation": "gelu",
            "local_attention": 6,
            "pad_token_id": 0,
        },
    ),
}
LONG = 70  # beyond the distances that have a bucket each, and many windows


@pytest.mark.parametrize("family", list(TEXTS))
@pytest.mark.parametrize("kind", ["Model", "ForMaskedLM"])
def test_texts(family, kind, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    base, options = TEXTS[family]
    config = getattr(transformers, f"{family}Config")(
        **options, vocab_size=40, max_position_embeddings=LONG + 5
    )
    model = parity.randomize(getattr(transformers, family + kind)(config))
    pad = config.pad_token_id
    model.save_pretrained(tmp_path)
    ids, real = parity.texts(LONG, 40, eos=2, pad=pad)
    base = getattr(model, base, model)
    out = base(input_ids=torch.tensor(ids).long(), attention_mask=torch.tensor(real))
    _, pooled = parity.embed(tmp_path, "text", ids)
    parity.assert_close(pooled, out.last_hidden_state[:, 0])

    # The mean over real positions, as sentence encoders pool.
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    )
    _, pooled = parity.embed(tmp_path, "text", ids)
    weight = torch.tensor(real)[:, :, None].float()
    parity.assert_close(pooled, (out.last_hidden_state * weight).sum(1) / weight.sum(1))


def test_positions_of_another_size(tmp_path):
    """Positions that vary smoothly over the image stay what they are at every size."""
    torch, transformers = parity.torch_and("transformers")
    config = transformers.ViTConfig(**SMALL, intermediate_size=37, image_size=80, patch_size=10)
    model = parity.randomize(transformers.ViTModel(config))
    with torch.no_grad():
        model.embeddings.position_embeddings[:, 1:] = 0.3
    model.save_pretrained(tmp_path)
    ours, theirs = parity.pictures((60, 110))
    _, pooled = parity.embed(tmp_path, "image", ours, {"image_size": (60, 110)})
    out = model(pixel_values=theirs, interpolate_pos_encoding=True).last_hidden_state[:, 0]
    parity.assert_close(pooled, out)


def test_positions_of_another_size_are_near_those_of_torch(tmp_path):
    """torch's bicubic kernel has another parameter (-0.75, here -0.5), so only near."""
    torch, transformers = parity.torch_and("transformers")
    config = transformers.ViTConfig(**SMALL, intermediate_size=37, image_size=80, patch_size=10)
    model = parity.randomize(transformers.ViTModel(config))
    model.save_pretrained(tmp_path)
    from mmjax.weights.foreign import Weights

    weights = Weights(str(tmp_path))
    spec = folders.encoder_of(weights, "image", image_size=(120, 120))
    loaded = weights.tower("image", spec)
    theirs = model.embeddings.interpolate_pos_encoding(torch.zeros(1, 145, 24), 120, 120)
    theirs = theirs[0].detach().numpy()
    ours = loaded["encoder/position"]
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert np.abs(ours - theirs).mean() < 0.1 * np.abs(theirs).mean()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98

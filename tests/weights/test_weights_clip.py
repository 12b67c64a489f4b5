"""CLIP and SigLIP folders as `transformers` writes them: the same embeddings."""

import numpy as np
import pytest
import weights_parity as parity

SHAPES = {
    # name: (vision, text, projection, activation)
    "odd": (
        {
            "hidden_size": 24,
            "num_attention_heads": 3,
            "intermediate_size": 50,
            "num_hidden_layers": 3,
            "image_size": 30,
            "patch_size": 10,
        },
        {
            "hidden_size": 20,
            "num_attention_heads": 2,
            "intermediate_size": 33,
            "num_hidden_layers": 1,
            "vocab_size": 61,
            "max_position_embeddings": 11,
        },
        17,
        "quick_gelu",
    ),
    "exact": (
        {
            "hidden_size": 32,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "image_size": 32,
            "patch_size": 8,
        },
        {
            "hidden_size": 16,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "vocab_size": 99,
            "max_position_embeddings": 7,
        },
        32,
        "gelu",
    ),
}


@pytest.fixture(params=[("CLIP", "odd"), ("CLIP", "exact"), ("MetaClip2", "odd")])
def clip(request, tmp_path):
    """(model, folder, tokens) of a random CLIPModel or MetaClip2Model."""
    _, transformers = parity.torch_and("transformers")
    family, shape = request.param
    vision, text, dim, activation = SHAPES[shape]
    vocabulary = text["vocab_size"]
    # XLM-V's vocabulary, which MetaCLIP 2 has, ends a text by 2; in CLIP's configs of old, 2 means
    # the largest id.
    eos = 2 if family == "MetaClip2" else vocabulary - 1
    text = {**text, "eos_token_id": eos, "bos_token_id": vocabulary - 2}
    config = getattr(transformers, f"{family}Config")(
        vision_config={**vision, "hidden_act": activation, "layer_norm_eps": 1e-3},
        text_config={**text, "hidden_act": activation},
        projection_dim=dim,
    )
    model = parity.randomize(getattr(transformers, f"{family}Model")(config))
    model.save_pretrained(tmp_path)
    ids, _ = parity.texts(text["max_position_embeddings"], vocabulary, eos=eos, pad=0)
    return model, tmp_path, ids, vision["image_size"]


def test_clip_embeddings_and_scale(clip):
    import torch

    from mmjax.weights.foreign import Weights

    model, folder, ids, size = clip
    ours, theirs = parity.pictures(size)
    out = model(input_ids=torch.tensor(ids).long(), pixel_values=theirs)
    image, _ = parity.embed(folder, "image", ours)
    text, _ = parity.embed(folder, "text", ids)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text)]
    parity.assert_close(unit[0], out.image_embeds)
    parity.assert_close(unit[1], out.text_embeds)
    log_scale, bias = Weights(str(folder)).scale_and_bias()
    assert bias is None
    logits = np.exp(log_scale) * unit[0] @ unit[1].T
    parity.assert_close(logits, out.logits_per_image, 1e-4 * np.exp(log_scale))


@pytest.mark.parametrize(
    "kind",
    ["CLIPVisionModelWithProjection", "CLIPVisionModel", "MetaClip2VisionModelWithProjection"],
)
def test_clip_picture_tower_alone(kind, tmp_path):
    _, transformers = parity.torch_and("transformers")
    vision, _, dim, _ = SHAPES["odd"]
    family = kind.partition("Vision")[0]
    config = getattr(transformers, f"{family}VisionConfig")(**vision, projection_dim=dim)
    model = parity.randomize(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    ours, theirs = parity.pictures(vision["image_size"])
    raw, _ = parity.embed(tmp_path, "image", ours)
    out = model(pixel_values=theirs)
    parity.assert_close(raw, out.image_embeds if "With" in kind else out.pooler_output)


@pytest.mark.parametrize("kind", ["CLIPTextModelWithProjection", "CLIPTextModel"])
@pytest.mark.parametrize("eos", [2, 7])
def test_clip_text_tower_alone(kind, eos, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    _, text, dim, _ = SHAPES["odd"]
    config = transformers.CLIPTextConfig(**text, projection_dim=dim, eos_token_id=eos)
    model = parity.randomize(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    # Configs of old name 2, and mean the largest id.
    ids, _ = parity.texts(11, 61, eos=60 if eos == 2 else eos, pad=0)
    raw, _ = parity.embed(tmp_path, "text", ids)
    out = model(input_ids=torch.tensor(ids).long())
    parity.assert_close(raw, out.text_embeds if "With" in kind else out.pooler_output)


SIGLIP = {"odd": (24, 3, 40, 2, 28, 14, 20, 24), "other projection": (32, 4, 64, 1, 16, 8, 16, 32)}


@pytest.mark.parametrize("shape", list(SIGLIP))
@pytest.mark.parametrize("activation", ["gelu_pytorch_tanh", "gelu"])
def test_siglip(shape, activation, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    width, heads, hidden, depth, size, patch, text_width, dim = SIGLIP[shape]
    common = {"intermediate_size": hidden, "num_hidden_layers": depth, "hidden_act": activation}
    config = transformers.SiglipConfig(
        vision_config={
            **common,
            "hidden_size": width,
            "num_attention_heads": heads,
            "image_size": size,
            "patch_size": patch,
        },
        text_config={
            **common,
            "hidden_size": text_width,
            "num_attention_heads": 4,
            "vocab_size": 50,
            "max_position_embeddings": 9,
            "projection_size": dim,
        },
    )
    model = parity.randomize(transformers.SiglipModel(config))
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-2.5)
    model.save_pretrained(tmp_path)
    ids, _ = parity.texts(9, 50, eos=3, pad=1)
    ours, theirs = parity.pictures(size)
    out = model(input_ids=torch.tensor(ids).long(), pixel_values=theirs)
    image, _ = parity.embed(tmp_path, "image", ours)
    text, _ = parity.embed(tmp_path, "text", ids)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text)]
    parity.assert_close(unit[0], out.image_embeds)
    parity.assert_close(unit[1], out.text_embeds)

    from mmjax.weights.foreign import Weights

    log_scale, bias = Weights(str(tmp_path)).scale_and_bias()
    logits = np.exp(log_scale) * unit[0] @ unit[1].T + bias
    parity.assert_close(logits, out.logits_per_image, 5e-4)

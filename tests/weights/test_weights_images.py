"""From image files of any shape to embeddings, as the folder's own library does it."""

import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity
from PIL import Image

import mmjax
from mmjax.errors import ConfigError
from mmjax.weights.foreign import Weights

SIZES = ((157, 91), (60, 133), (301, 40))
VISION = {
    "hidden_size": 24,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "num_hidden_layers": 2,
    "image_size": 30,
    "patch_size": 10,
}


def written(folder):
    """Paths of JPEG and PNG files of these sizes."""
    rng, paths = np.random.default_rng(0), []
    for i, (width, height) in enumerate(SIZES):
        small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        paths.append(folder / f"{i}.{'jpg' if i % 2 else 'png'}")
        image.save(paths[-1])
    return paths


def unit(x):
    x = x.detach().numpy()
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def models(library):
    """name -> (model, processor) of families whose images are cropped, squashed, or cut smaller."""
    clip = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    cut = {"crop_size": {"height": 30, "width": 30}}
    return {
        "clip": (
            library.CLIPVisionModelWithProjection(
                library.CLIPVisionConfig(**VISION, projection_dim=12)
            ),
            library.CLIPImageProcessor(size={"shortest_edge": 30}, **cut, **clip),
        ),
        "siglip": (
            library.SiglipVisionModel(library.SiglipVisionConfig(**VISION)),
            library.SiglipImageProcessor(size={"height": 30, "width": 30}, resample=3),
        ),
        "dinov2": (
            library.Dinov2Model(library.Dinov2Config(**VISION)),
            library.BitImageProcessor(size={"shortest_edge": 37}, **cut),
        ),
        "convnext": (
            library.ConvNextModel(
                library.ConvNextConfig(
                    hidden_sizes=[6, 8], depths=[1, 1], num_stages=2, image_size=30
                )
            ),
            library.ConvNextImageProcessor(size={"shortest_edge": 30}, crop_pct=0.8),
        ),
    }


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2", "convnext"])
def test_files_embed_as_by_transformers(family, tmp_path):
    _, _, transformers = parity.torch_and("torchvision", "transformers")
    model, processor = models(transformers)[family]
    parity.randomize(model)
    for each in (model, processor):
        each.save_pretrained(tmp_path / "model")
    paths = written(tmp_path)
    pixels = processor(images=[Image.open(p).convert("RGB") for p in paths], return_tensors="pt")
    out = model(**pixels)
    theirs = unit(out.image_embeds if family == "clip" else out.pooler_output)
    exact = mmjax.load(tmp_path / "model", preprocessing="transformers").encode(images=paths)
    np.testing.assert_allclose(exact, theirs, atol=2e-6)
    own = mmjax.load(tmp_path / "model").encode(images=paths)
    assert (own * theirs).sum(axis=1).min() > 0.95
    assert np.abs(own - theirs).max() > 1e-5  # the option does something


def test_files_embed_as_by_open_clip(tmp_path):
    torch, library, safetensors = parity.torch_and("open_clip", "safetensors.torch")
    model_cfg = {
        "embed_dim": 17,
        "vision_cfg": {
            "layers": 2,
            "width": 24,
            "head_width": 8,
            "patch_size": 10,
            "image_size": 30,
        },
        "text_cfg": {"context_length": 9, "vocab_size": 50, "width": 20, "heads": 2, "layers": 1},
    }
    config = {"model_cfg": model_cfg, "preprocess_cfg": {"size": 30}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    random = parity.randomize(library.CLIP(**model_cfg))
    safetensors.save_file(random.state_dict(), tmp_path / "open_clip_model.safetensors")
    model, _, transform = library.create_model_and_transforms(f"local-dir:{tmp_path}")
    paths = written(tmp_path)
    pixels = torch.stack([transform(Image.open(path)) for path in paths])
    theirs = unit(model.eval().encode_image(pixels))
    exact = mmjax.load(tmp_path, preprocessing="open_clip").encode(images=paths)
    np.testing.assert_allclose(exact, theirs, atol=2e-6)


def test_preprocessing_is_of_images(tmp_path):
    folders.folder_of(folders.CONFIGS["bert"], tmp_path)
    with pytest.raises(ConfigError, match="is for images; the model has views of nothing"):
        mmjax.load(tmp_path, preprocessing="open_clip")
    with pytest.raises(ConfigError, match="'torch' is none of own, open_clip, transformers"):
        mmjax.load(tmp_path, preprocessing="torch")


@pytest.mark.parametrize(("fill", "background"), [(0, "black"), (255, "white"), (None, "black")])
def test_the_border_of_open_clip(fill, background, tmp_path):
    folder = folders.whole_folder("open_clip", tmp_path / "model")
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text())
    config["preprocess_cfg"] |= {"resize_mode": "longest", "fill_color": fill}
    file.write_text(json.dumps(config))
    view = Weights(str(folder)).specs("image").views["image"]
    assert (view["fit"], view["background"]) == ("pad", background)
    config["preprocess_cfg"]["fill_color"] = 7
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="fill_color=7 is none of 0, 128 and 255"):
        Weights(str(folder)).specs("image")

"""SigLIP 2's NaFlex: images of any shape embed as in transformers' Siglip2Model."""

import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity
from PIL import Image
from third_party import needs

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.export import export
from mmjax.train import trainer
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights

TEXTS = ["a red circle", "x", "a blue square on white"]
# (width, height): odd, not square, smaller and much larger than the grid of the positions.
SIZES = [(61, 33), (20, 170), (90, 91), (7, 5), (300, 41)]
COMMON = {"intermediate_size": 40, "num_hidden_layers": 2}
SECTIONS = {
    "vision_config": {
        **COMMON, "hidden_size": 24, "num_attention_heads": 3, "patch_size": 8, "num_patches": 25,
    },
    "text_config": {
        **COMMON, "hidden_size": 16, "num_attention_heads": 4, "vocab_size": folders.VOCABULARY,
        "max_position_embeddings": 9, "projection_size": 24,
    },
}  # fmt: skip
CONFIG = {"model_type": "siglip2", **SECTIONS}


def pictures():
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).resize(size) for size in SIZES
    ]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(folder, their model, their processor) of a small model with random weights."""
    torch, transformers = parity.torch_and("transformers")
    needs("torchvision")
    folder = tmp_path_factory.mktemp("naflex")
    model = parity.randomize(transformers.Siglip2Model(transformers.Siglip2Config(**SECTIONS)))
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-2.5)
    model.save_pretrained(folder)
    processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=34)
    processor.save_pretrained(folder)
    folders.tokenizer_of(folders.MARKS["siglip"], folder)
    return folder, model, processor


def test_images_and_texts_embed_as_there(published):
    folder, theirs, processor = published
    torch = needs("torch")
    model = mmjax.load(folder, preprocessing="transformers")
    inputs = processor(images=pictures(), return_tensors="pt")
    assert len({tuple(shape.tolist()) for shape in inputs["spatial_shapes"]}) == 5
    ids = model.prepare("text", TEXTS)
    with torch.no_grad():
        out = theirs(**inputs, input_ids=torch.tensor(ids).long())
    image, text = model.encode(image=pictures()), model.encode(text=TEXTS)
    parity.assert_close(image, out.image_embeds, 2e-5)
    parity.assert_close(text, out.text_embeds, 2e-5)
    parity.assert_close(model.logits(image, text), out.logits_per_image, 1e-4)
    assert np.linalg.norm(image[:, None] - image[None], axis=2)[np.triu_indices(5, 1)].min() > 0.01


def test_each_image_embeds_as_it_does_alone(published):
    model = mmjax.load(published[0])
    alone = [model.encode(image=[image])[0] for image in pictures()]
    np.testing.assert_allclose(model.encode(image=pictures()), alone, atol=1e-5)


@pytest.mark.parametrize("part", ["whole", "vision", "text"])
def test_the_comparison_with_the_library(published, part, tmp_path):
    from mmjax.inference import verify

    folder, theirs, _ = published
    if part != "whole":
        transformers = needs("transformers")
        kind = getattr(transformers, f"Siglip2{part.title()}Model")
        own = kind(getattr(theirs.config, f"{part}_config"))
        own.load_state_dict(getattr(theirs, f"{part}_model").state_dict())
        folder = tmp_path / "alone"
        own.save_pretrained(folder)
        if part == "vision":
            (folder / "preprocessor_config.json").write_bytes(
                (published[0] / "preprocessor_config.json").read_bytes()
            )
    verify.verify(folder, tmp_path / "report")
    report = json.loads((tmp_path / "report" / "parity.json").read_text())
    assert "Siglip2" in report["compared_with"]


def test_what_the_folder_says(tmp_path):
    """Without torch: the encoder, the view, and what cannot be."""
    folder = folders.folder_of(CONFIG, tmp_path / "model")
    view = {"patch_size": 8, "max_num_patches": 34, "resample": 2, "image_mean": [0.4, 0.5, 0.6]}
    (folder / "preprocessor_config.json").write_text(json.dumps(view))
    weights = Weights(str(folder))
    assert weights.family == "SigLIP 2 NaFlex"
    encoder = weights.part("image").encoder
    assert (encoder["type"], encoder["grid"], encoder["patch"]) == ("naflex_vit", (5, 5), 8)
    assert weights.scale_and_bias() == (2.25, -3.5)
    found = weights.specs("image").views["image"]
    assert found == {
        "type": "image_patches", "patch": 8, "max_patches": 34, "mean": (0.4, 0.5, 0.6),
        "std": (0.5, 0.5, 0.5), "interpolation": "bilinear",
    }  # fmt: skip
    model = mmjax.load(folder)
    unit = model.encode(image=pictures())
    assert unit.shape == (5, 24)
    (folder / "preprocessor_config.json").write_text(json.dumps({**view, "patch_size": 16}))
    with pytest.raises(WeightsError, match=r"patch_size=16 is not the 8 of config.json"):
        Weights(str(folder)).specs("image")
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["num_patches"] = 26
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="num_patches=26 should be those of a square"):
        Weights(str(folder))


@pytest.mark.long
def test_a_run_trains_it_further(tmp_path):
    """Two steps from the folder's weights, on images of different shapes; and its exports."""
    tensors = {name: 0.2 * array for name, array in folders.tensors_of(CONFIG).items()}
    for name in ("logit_scale", "logit_bias"):  # of one number, as the library writes them
        tensors[name] = np.reshape(tensors[name], 1).astype(np.float32)
    folder = folders.folder_of(CONFIG, tmp_path / "model", tensors)
    marks = folders.tokenizer_of(folders.MARKS["siglip"], folder)
    view = {"patch_size": 8, "max_num_patches": 34}
    (folder / "preprocessor_config.json").write_text(json.dumps(view))
    for n, (image, text) in enumerate(zip(pictures() * 2, TEXTS * 4, strict=False)):
        image.save(tmp_path / f"{n}.png")
        (tmp_path / f"{n}.txt").write_text(text)
    tree = {
        "weights": str(folder), "recipe": "tiny", "variant": "small", "paper": "none", "steps": 2,
        "data": {"source": {"type": "folder", "path": str(tmp_path), "split": "all"},
                 "batch_size": 8},
        "optimizer": {"learning_rate": 1e-2}, "evaluators": {},
    }  # fmt: skip
    recipe = recipe_lib.complete(tree, "tiny")
    assert recipe.model.towers["text"].encoder.options["pad_id"] == marks[2]
    trainer.train(recipe, tmp_path / "run", quiet=True)
    before, after = (mmjax.load(f).bundle.arrays for f in (folder, tmp_path / "run"))
    moved = {path for path in before if not np.array_equal(before[path], after[path])}
    assert all(np.isfinite(array).all() for array in after.values())
    assert {"towers/image/encoder/position", "towers/image/encoder/stem/project/kernel"} <= moved
    out, _ = export(tmp_path / "run", tmp_path / "export", format="safetensors")
    ours, again = (mmjax.load(f).encode(image=pictures()) for f in (tmp_path / "run", out))
    np.testing.assert_allclose(again, ours, atol=1e-6)
    with pytest.raises(ConfigError, match=r"this model has .*naflex_vit"):
        export(tmp_path / "run", tmp_path / "hf", format="hf")

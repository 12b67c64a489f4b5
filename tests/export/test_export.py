"""Runs in every format: what is written, its parity, and what cannot be written."""

import json

import numpy as np
import pytest
from third_party import needs

import mmjax
from mmjax import digests
from mmjax.errors import ConfigError
from mmjax.export import export
from mmjax.inference import parity
from mmjax.model.config import ModelConfig
from mmjax.weights.files import WeightsError

FITTING = [
    ("clip", "hf"),
    ("clip", "open_clip"),
    pytest.param("own", "safetensors", marks=pytest.mark.long),
    pytest.param("sentences", "safetensors", marks=pytest.mark.long),
    pytest.param("siglip", "hf", marks=pytest.mark.slow),
    pytest.param("siglip", "safetensors", marks=pytest.mark.slow),
]


def captions():
    return ["dog face", "flag: Japan", "woman pilot", "été à l’ombre", "дом"]


@pytest.mark.parametrize(("shape", "format"), FITTING)
def test_an_export_is_loaded_again(run_of, tmp_path, shape, format, monkeypatch):
    """Without the other library: the folder, read by us, embeds as the run does."""
    from mmjax.inference import with_torch

    monkeypatch.setattr(with_torch, "missing", lambda *names: list(names))
    folder, line = export(run_of(shape), tmp_path / "out", format=format, license="mit")
    assert "parity with the folder, read back" in line
    run, again = mmjax.load(run_of(shape)), mmjax.load(folder)
    if "text" in again.bundle.views:  # the tokenizer has the same ids
        np.testing.assert_allclose(
            again.encode(text=captions()), run.encode(text=captions()), atol=1e-5
        )
    assert again.log_scale == pytest.approx(run.log_scale, abs=1e-6)
    assert again.bias == pytest.approx(run.bias, abs=1e-6) or (again.bias, run.bias) == (None, None)
    report = json.loads((folder / "parity.json").read_text())
    assert report["passed"]
    card = (folder / "README.md").read_text()
    assert 'license: "mit"' in card
    for words in ("## Data", "Noto Emoji", "## Recipe", "tiny:small", "## Parity"):
        assert words in card
    # A changed file is noticed when it is read.
    tensors = next(folder.glob("*.safetensors"))
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(data)
    with pytest.raises(WeightsError, match=r"is not the file that sha256\.json"):
        mmjax.load(folder)


def test_a_tokenizer_outside_of_an_export_is_not_read(run_of, tmp_path):
    folder, _ = export(run_of("own"), tmp_path / "out", format="safetensors")
    outside = (folder / "tokenizer.model").rename(tmp_path / "tokenizer.model")
    file = folder / "mmjax.json"
    own = json.loads(file.read_text())
    own["config"]["data"]["tokenizer"]["path"] = str(outside)
    file.write_text(json.dumps(own))
    digests.write(folder)
    with pytest.raises(WeightsError, match=r"tokenizer\.model', which is not in the folder"):
        mmjax.load(folder)


@pytest.mark.long
@pytest.mark.parametrize(
    "shape", ["own", "sentences", pytest.param("siglip", marks=pytest.mark.slow)]
)
def test_stablehlo_serves_any_batch_size(run_of, tmp_path, shape):
    import jax
    from jax import export as jax_export

    needs("flatbuffers")
    folder, line = export(run_of(shape), tmp_path / "out", format="stablehlo")
    assert "serialised programs" in line
    model = mmjax.load(run_of(shape))
    about = json.loads((folder / "stablehlo.json").read_text())
    assert about["towers"]["image"]["input"] == ["batch", 32, 32, 3]
    for modality, values in {"text": captions(), "image": [np.zeros((9, 9, 3), np.uint8)]}.items():
        inputs = model.prepare(modality, values)
        program = jax_export.deserialize(bytearray((folder / f"{modality}.stablehlo").read_bytes()))
        assert program.platforms == ("cpu", "cuda", "tpu")
        for rows in (1, 3, 7):
            batch = np.resize(inputs, (rows, *inputs.shape[1:]))
            found = jax.jit(program.call)(batch)
            np.testing.assert_allclose(found, model.encode(**{modality: batch}), atol=1e-5)


def test_inputs_of_towers_of_features():
    """A tower named `image` may take vectors, which no image is."""
    from types import SimpleNamespace

    from mmjax.data.views.vector import VectorView

    model = ModelConfig.of({"towers": {"image": {"encoder": {"type": "identity", "inputs": 7}}}})
    bundle = SimpleNamespace(towers=model.towers, views={"image": VectorView(dim=7)})
    model = SimpleNamespace(bundle=bundle, modalities=("image",), fused={})
    inputs, texts, pictures = parity.samples(model, rows=5)
    assert inputs["image"].shape == (5, 7)
    assert len(texts) == len(pictures) == 5


@pytest.mark.parametrize("format", ["hf", "open_clip"])
def test_what_has_not_the_shape_is_told(run_of, tmp_path, format):
    with pytest.raises(ConfigError, match=r"image\.pool='mean' \(there 'cls'\)|pool_type='none'"):
        export(run_of("own"), tmp_path / "out", format=format)
    assert list(tmp_path.iterdir()) == []


def test_a_parity_that_fails_keeps_the_folder_under_another_name(run_of, tmp_path, monkeypatch):
    from mmjax.inference import with_torch

    monkeypatch.setattr(with_torch, "missing", lambda *names: list(names))
    monkeypatch.setattr(
        parity,
        "by_reading_back",
        lambda folder: (
            lambda inputs: {m: np.eye(len(x), 20, dtype=np.float32) for m, x in inputs.items()}
        ),
    )
    with pytest.raises(parity.ParityError, match="is not to be used"):
        export(run_of("clip"), tmp_path / "out", format="hf")
    assert [p.name for p in tmp_path.iterdir()] == ["out.failed"]
    assert not json.loads((tmp_path / "out.failed" / "parity.json").read_text())["passed"]


def test_folders_that_are_there_and_formats_that_are_not(run_of, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(ConfigError, match="is there already"):
        export(run_of("clip"), tmp_path / "out", format="hf")
    with pytest.raises(ConfigError, match="none of hf, open_clip, safetensors, stablehlo"):
        export(run_of("clip"), tmp_path / "new", format="onnx")


def units(rows, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


CHANGES = {
    "none": (lambda x: x, True),
    "rounding": (lambda x: x + 1e-5, True),
    "too much": (lambda x: x + 5e-4, False),
    "order": (lambda x: x[::-1], False),
    "not a number": (lambda x: x * np.nan, False),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", list(CHANGES))
def test_parity_reports(kind):
    change, passes = CHANGES[kind]
    own = {"image": units(9), "text": units(9, 1)}
    other = {"image": own["image"], "text": change(own["text"])}
    report = parity.compare(own, other, log_scale=2.0, bias=-1.0, compared_with="a test")
    assert report["passed"] is passes
    if kind == "none":
        assert report["top_5_agreement"] == 1
    assert (
        parity.compare(
            own,
            own,
            log_scale=None,
            bias=None,
            compared_with="",
            more={"n": 1},
            must_be_zero=("n",),
        )["passed"]
        is False
    )


# With the libraries themselves (the extra `torch`).


@pytest.mark.parametrize(
    ("shape", "format"), [("clip", "hf"), ("siglip", "hf"), ("clip", "open_clip")]
)
def test_the_library_itself_gives_the_same(run_of, tmp_path, shape, format):
    name = {"hf": "transformers", "open_clip": "open_clip"}[format]
    for needed in ("torch", name, "torchvision"):
        needs(needed)
    folder, line = export(run_of(shape), tmp_path / "out", format=format)
    assert f"parity with {name}" in line
    report = json.loads((folder / "parity.json").read_text())
    assert report["texts_with_other_tokens"] == 0
    for key in ("image", "text"):
        assert report[key]["max_abs"] <= 1e-4
    assert report["top_5_agreement"] > 0.99
    # Images prepared by them: resampled with other rounding, but the same images.
    assert report["pixels"]["mean_abs"] < 0.02
    assert report["smallest_cosine_of_their_pixels"] > 0.98


def test_foreign_weights_are_verified(tmp_path):
    _, transformers = needs("torch"), needs("transformers")
    from mmjax.inference.verify import verify

    config = transformers.BertConfig(
        hidden_size=16,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=24,
        vocab_size=40,
        max_position_embeddings=12,
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    folder, line = verify(tmp_path / "bert", tmp_path / "report")
    assert "BertModel" in line
    assert json.loads((folder / "parity.json").read_text())["text"]["max_abs"] < 1e-5
    file = tmp_path / "bert" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": "bloom"}))
    with pytest.raises(ConfigError, match="model_type='bloom'"):
        verify(tmp_path / "bert", tmp_path / "report")

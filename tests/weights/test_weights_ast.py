"""AST folders as an encoder of waveforms: sounds embed as by their own extractor and model."""

import dataclasses
import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity

import mmjax
from mmjax.schema.values import plain
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights
from mmjax.weights.start import complete as complete_tower

CONFIG = {**folders.CONFIGS["ast"], "max_length": 24}  # times of 5 patches, and 2 frames left
EXTRACTOR = {
    "sampling_rate": 16_000,
    "num_mel_bins": 12,
    "max_length": 24,
    "mean": -5.5,
    "std": 3.25,
}
SAMPLES = 400 + (6 + 4 * 4 - 1) * 160


@pytest.fixture
def folder(tmp_path):
    path = folders.folder_of(CONFIG, tmp_path / "ast")
    (path / "preprocessor_config.json").write_text(json.dumps(EXTRACTOR))
    return path


def test_sounds_embed_as_there(tmp_path):
    torch, transformers = parity.torch_and("transformers")
    model = parity.randomize(transformers.ASTModel(transformers.ASTConfig(**CONFIG)))
    model.save_pretrained(tmp_path)
    extractor = transformers.ASTFeatureExtractor(**EXTRACTOR)
    extractor.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    lengths = (SAMPLES, 2203, 400, SAMPLES - 160)
    sounds = [rng.normal(size=n).astype(np.float32) / 4 for n in lengths]
    values = extractor(sounds, sampling_rate=16_000, return_tensors="np")["input_values"]
    x = np.stack([np.pad(s, (0, SAMPLES - len(s))) for s in sounds])
    _, pooled = parity.embed(tmp_path, "audio", x, {"type": "audio_transformer"})
    expected = model(input_values=torch.tensor(values, dtype=torch.float32)).pooler_output
    parity.assert_close(pooled, expected)


def test_files_of_sounds_embed_as_there(tmp_path):
    """By `mmjax.load`, from files: the folder's extractor is all that says what they are."""
    torch, transformers, soundfile = parity.torch_and("transformers", "soundfile")
    model = parity.randomize(transformers.ASTModel(transformers.ASTConfig(**CONFIG)))
    extractor = transformers.ASTFeatureExtractor(**EXTRACTOR)
    for each in (model, extractor):
        each.save_pretrained(tmp_path / "model")
    rng, paths = np.random.default_rng(0), []
    for i, length in enumerate((1.7 * SAMPLES, SAMPLES, 2203)):
        paths.append(tmp_path / f"{i}.{('wav', 'flac', 'wav')[i]}")
        soundfile.write(paths[-1], 0.2 * rng.normal(size=int(length)), 16_000)
    sounds = [soundfile.read(path, dtype="float32")[0] for path in paths]
    values = extractor(sounds, sampling_rate=16_000, return_tensors="pt")["input_values"]
    expected = torch.nn.functional.normalize(model(input_values=values).pooler_output)
    loaded = mmjax.load(tmp_path / "model", verify=tmp_path / "report")
    parity.assert_close(loaded.encode(audio=paths), expected)
    report = json.loads((tmp_path / "report" / "parity.json").read_text())
    assert report["passed"]
    assert report["rows"] == 48


def test_sounds_or_spectrograms(folder):
    """A folder without an extractor's config takes spectrograms; with it a recipe may, too."""
    weights = Weights(str(folder))
    assert weights.part("audio").encoder["type"] == "audio_transformer"
    view = {"type": "audio", "rate": 16_000, "length": SAMPLES}
    assert weights.specs().views == {"audio": view}
    assert weights.specs("audio", kind="spectrogram_transformer").views == {}
    ready = {"init_from": str(folder), "encoder": {"type": "spectrogram_transformer"}, "head": None}
    assert complete_tower(ready, "audio", "model.towers.audio", "x")["encoder"] == ready["encoder"]
    (folder / "preprocessor_config.json").unlink()
    assert Weights(str(folder)).part("audio").encoder["type"] == "spectrogram_transformer"


def test_the_folder_says_the_spectrogram(folder):
    tower = {"init_from": str(folder), "encoder": {"type": "audio_transformer", "dropout": 0.1}}
    whole = complete_tower(tower, "audio", "model.towers.audio", "x")
    encoder = whole["encoder"]
    assert encoder["samples"] == SAMPLES
    assert encoder["spectrogram"]["std"] == 6.5
    assert encoder["padding"] == 5.5 / 6.5
    assert encoder["mask_padding"] is False
    assert encoder["dropout"] == 0.1
    # A run's stored config is whole and needs the folder no more.
    (folder / "config.json").unlink()
    assert complete_tower(whole, "audio", "model.towers.audio", "x") == whole


def test_shorter_and_longer_sounds(folder):
    weights = Weights(str(folder))
    encoder = folders.encoder_of(weights, "audio", "audio_transformer")
    path = "encoder/transformer/position"
    own = weights.tower("audio", encoder)[path]
    half = weights.tower("audio", encoder.changed(samples=400 + 13 * 160))[path]
    grid = own[2:].reshape(3, 5, -1)[:, :3].reshape(9, -1)
    np.testing.assert_array_equal(half, np.concatenate([own[:2], grid]))
    np.testing.assert_array_equal(own, weights.tower("audio")[path])
    ready = folders.encoder_of(weights, "audio", "spectrogram_transformer")
    np.testing.assert_array_equal(own, weights.tower("audio", ready)["encoder/position"])
    with pytest.raises(WeightsError, match="are more than the 3760 that the positions"):
        weights.tower("audio", encoder.changed(samples=SAMPLES + 4 * 160))
    # Parts of the encoder that the folder lacks: they are reinitialized.
    joined = weights.tower("audio", encoder.changed(fusion="mean", mask_padding=True))
    assert joined.changes() == [
        "fusion='mean' where the folder has 'none'",
        "mask_padding=True where the folder has False",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sampling_rate": 32_000}, "sampling_rate=32000 is not the rate of Kaldi's settings"),
        ({"num_mel_bins": 13}, "num_mel_bins=13 is not config.json's num_mel_bins=12"),
        (None, "there is no preprocessor_config.json in it"),
    ],
)
def test_other_spectrograms_are_refused(folder, change, says):
    file = folder / "preprocessor_config.json"
    file.unlink() if change is None else file.write_text(json.dumps({**EXTRACTOR, **change}))
    with pytest.raises(WeightsError, match=says):
        Weights(str(folder)).part("audio", "audio_transformer")


def test_a_recipe_with_another_spectrogram_or_model_is_refused(folder, tmp_path):
    weights = Weights(str(folder))
    encoder = folders.encoder_of(weights, "audio", "audio_transformer")
    spectrogram = dataclasses.replace(encoder.options["spectrogram"], low=50.0)
    other = encoder.changed(spectrogram=plain(spectrogram))
    with pytest.raises(WeightsError, match="the encoder's options are not those"):
        weights.tower("audio", other)
    clap = Weights(str(folders.folder_of(folders.CONFIGS["clap"], tmp_path / "clap")))
    with pytest.raises(WeightsError, match="whose encoder is a htsat"):
        clap.part("audio", "audio_transformer")

"""Whisper's encoder: sounds of files embed as by its own extractor and model."""

import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity

import mmjax
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights

SECONDS, RATE = 1, 16_000
CONFIG = {
    "d_model": 24,
    "encoder_layers": 3,
    "encoder_attention_heads": 3,
    "encoder_ffn_dim": 37,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "num_mel_bins": 11,
    "max_source_positions": 50 * SECONDS,
    "max_target_positions": 5,
    "vocab_size": 30,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "begin_suppress_tokens": None,
}


@pytest.mark.parametrize("kind", ["WhisperModel", "WhisperForConditionalGeneration"])
def test_files_of_sounds_embed_as_there(kind, tmp_path):
    torch, transformers, soundfile = parity.torch_and("transformers", "soundfile")
    model = getattr(transformers, kind)(transformers.WhisperConfig(**CONFIG))
    parity.randomize(model)
    extractor = transformers.WhisperFeatureExtractor(feature_size=11, chunk_length=SECONDS)
    for each in (model, extractor):
        each.save_pretrained(tmp_path / "model")
    rng, paths = np.random.default_rng(0), []
    for i, length in enumerate((1.3 * RATE, RATE, 0.4 * RATE, 700)):
        paths.append(tmp_path / f"{i}.{('wav', 'flac')[i % 2]}")
        soundfile.write(paths[-1], 0.2 * rng.normal(size=int(length)), RATE)
    sounds = [soundfile.read(path, dtype="float32")[0] for path in paths]
    values = extractor(sounds, sampling_rate=RATE, return_tensors="pt")["input_features"]
    out = model.get_encoder()(values).last_hidden_state.mean(1)
    # Of a file of a whole model `verify` has its own library, of which the class is the model.
    verify = tmp_path / "report" if kind == "WhisperModel" else None
    loaded = mmjax.load(tmp_path / "model", verify=verify)
    parity.assert_close(loaded.encode(audio=paths), torch.nn.functional.normalize(out))
    if verify is not None:
        assert json.loads((verify / "parity.json").read_text())["passed"]


def test_shorter_sounds_and_other_spectrograms(tmp_path):
    folder = folders.folder_of(folders.CONFIGS["whisper"], tmp_path / "model")
    weights = Weights(str(folder))
    assert weights.specs().views["audio"] == {"type": "audio", "rate": RATE, "length": 320 * 6}
    own = weights.tower("audio")["encoder/position"]
    half = weights.tower("audio", folders.encoder_of(weights, "audio", samples=320 * 4))
    np.testing.assert_array_equal(half["encoder/position"], own[:4])
    with pytest.raises(WeightsError, match="samples=2240 are more than the 1920 that"):
        weights.tower("audio", folders.encoder_of(weights, "audio", samples=320 * 7))
    for change, says in (
        ({"hop_length": 320}, "hop_length=320 is not supported, only 160 is"),
        ({"feature_size": 128}, "feature_size=128 is not config.json's num_mel_bins=8"),
    ):
        (folder / "preprocessor_config.json").write_text(json.dumps(change))
        with pytest.raises(WeightsError, match=says):
            Weights(str(folder)).specs()

"""wav2vec 2.0 and HuBERT: every sound of a file embeds as it does there alone."""

import json

import numpy as np
import pytest
import weights_parity as parity

import mmjax
from mmjax.weights import files
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights

RATE = 16_000
CONFIG = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "conv_dim": [6, 10, 8],
    "conv_kernel": [12, 8, 5],
    "conv_stride": [10, 8, 4],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 30,
}
LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
KINDS = (
    ("Wav2Vec2Model", {}),
    ("Wav2Vec2Model", LARGE),
    ("Wav2Vec2ForCTC", {"num_conv_pos_embeddings": 7}),
    ("HubertModel", {}),
)


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_files_of_sounds_embed_as_there(kind, more, tmp_path):
    torch, transformers, soundfile = parity.torch_and("transformers", "soundfile")
    family = kind.partition("Model")[0].partition("For")[0]
    config = getattr(transformers, f"{family}Config")(**{**CONFIG, **more})
    model = parity.randomize(getattr(transformers, kind)(config))
    extractor = transformers.Wav2Vec2FeatureExtractor()
    for each in (model, extractor):
        each.save_pretrained(tmp_path / "model")
    rng, paths = np.random.default_rng(0), []
    for i, length in enumerate((9000, 2911, 700)):
        paths.append(tmp_path / f"{i}.{('wav', 'flac')[i % 2]}")
        soundfile.write(paths[-1], 0.1 + 0.2 * rng.normal(size=length), RATE)
    base = getattr(model, family.lower(), model)
    rows = []
    for path in paths:
        sound = soundfile.read(path, dtype="float32")[0]
        values = extractor(sound, sampling_rate=RATE, return_tensors="pt")["input_values"]
        rows.append(base(values).last_hidden_state.mean(1))
    expected = torch.nn.functional.normalize(torch.cat(rows))
    loaded = mmjax.load(tmp_path / "model")
    parity.assert_close(loaded.encode(audio=paths), expected)
    if kind == "HubertModel":  # files of old have other names of the same
        tensors = files.read(tmp_path / "model" / "model.safetensors")
        for part, name in (("original0", "weight_g"), ("original1", "weight_v")):
            there = f"encoder.pos_conv_embed.conv.parametrizations.weight.{part}"
            tensors[f"encoder.pos_conv_embed.conv.{name}"] = tensors.pop(there)
        files.write(tmp_path / "model" / "model.safetensors", dict(tensors), {"format": "pt"})
        parity.assert_close(mmjax.load(tmp_path / "model").encode(audio=paths), expected)


def test_sounds_that_are_not_normalized_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", **CONFIG}))
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    with pytest.raises(WeightsError, match="do_normalize=False is not supported, only True is"):
        Weights(str(tmp_path)).specs()

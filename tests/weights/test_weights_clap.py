"""CLAP folders as `transformers` writes them: the same embeddings and logits."""

import numpy as np
import pytest
import weights_parity as parity

TEXT = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 14,
}
SHAPES = {
    # Two stages with shifted windows, and a last one whose window sees everything.
    "shifted": {
        "num_mel_bins": 8,
        "spec_size": 32,
        "patch_size": 2,
        "patch_stride": [2, 2],
        "window_size": 4,
        "depths": [2, 3, 1],
        "num_attention_heads": [1, 2, 4],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 32,
    },
    # Overlapping patches, as many bands as the square has rows, no norm of patches.
    "overlapping": {
        "num_mel_bins": 16,
        "spec_size": 16,
        "patch_size": 4,
        "patch_stride": 2,
        "window_size": 2,
        "depths": [2, 1],
        "num_attention_heads": [3, 2],
        "patch_embeds_hidden_size": 6,
        "hidden_size": 12,
        "mlp_ratio": 2.5,
        "enable_patch_layer_norm": False,
        "layer_norm_eps": 1e-3,
    },
    "fused": {
        "num_mel_bins": 4,
        "spec_size": 8,
        "patch_size": 2,
        "patch_stride": 2,
        "window_size": 2,
        "depths": [2, 2],
        "num_attention_heads": [2, 2],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "enable_fusion": True,
        "fusion_type": "aff_2d",
    },
    # Patches that overlap, another reduction; of three parts a column is left over.
    "fused_overlapping": {
        "num_mel_bins": 8,
        "spec_size": 16,
        "patch_size": 4,
        "patch_stride": 2,
        "window_size": 2,
        "depths": [1, 1],
        "num_attention_heads": [3, 2],
        "patch_embeds_hidden_size": 6,
        "hidden_size": 12,
        "aff_block_r": 2,
        "enable_fusion": True,
    },
}


def folder_with(model, folder, seed=1):
    """Saves a model whose every parameter, and statistic, is random."""
    import torch

    parity.randomize(model)
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    model.save_pretrained(folder)
    return model


def spectrograms(audio, frames, rows=3):
    x = np.random.default_rng(0).normal(size=(rows, frames, audio["num_mel_bins"]))
    return x.astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "activation"), [("shifted", "relu"), ("overlapping", "gelu"), ("fused", "relu")]
)
def test_embeddings_and_logits(shape, activation, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    from mmjax.weights.foreign import Weights

    audio = SHAPES[shape]
    config = transformers.ClapConfig(
        text_config=TEXT, audio_config=audio, projection_dim=10, projection_hidden_act=activation
    )
    model = transformers.ClapModel(config)
    with torch.no_grad():
        model.logit_scale_a.fill_(1.25)
        model.logit_scale_t.fill_(2.5)
    folder_with(model, tmp_path)
    ids, real = parity.texts(9, 40, eos=2, pad=1)
    text, _ = parity.embed(tmp_path, "text", ids)
    whole = audio["spec_size"] ** 2 // audio["num_mel_bins"]
    # As long as it can be, and shorter, which is stretched.
    for frames in (whole, whole - 5):
        x = spectrograms(audio, frames)
        channels = 4 if shape == "fused" else 1
        out = model(
            input_ids=torch.tensor(ids).long(),
            attention_mask=torch.tensor(real),
            input_features=torch.tensor(x)[:, None].repeat(1, channels, 1, 1),
            is_longer=torch.zeros(len(x), 1, dtype=torch.bool),
        )
        ours, pooled = parity.embed(tmp_path, "audio", x)
        parity.assert_close(pooled, out.audio_model_output.pooler_output)
        unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (ours, text)]
        parity.assert_close(unit[0], out.audio_embeds)
        parity.assert_close(unit[1], out.text_embeds)
        log_scale, bias = Weights(str(tmp_path)).scale_and_bias()
        assert bias is None
        logits = np.exp(log_scale) * unit[0] @ unit[1].T
        parity.assert_close(logits, out.logits_per_audio, 3e-4)


@pytest.mark.parametrize("shape", ["fused", "fused_overlapping"])
def test_long_sounds_are_fused(shape, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    audio = SHAPES[shape]
    model = folder_with(
        transformers.ClapAudioModel(transformers.ClapAudioConfig(**audio)), tmp_path
    )
    whole = audio["spec_size"] ** 2 // audio["num_mel_bins"]
    for frames in (whole, whole - 3):
        x = np.stack([spectrograms(audio, frames, rows=5) + i for i in range(4)], axis=1)
        x[1::2] = x[1::2, :1]  # short ones
        longer = torch.tensor([[True], [False], [True], [False], [True]])
        _, pooled = parity.embed(tmp_path, "audio", x)
        out = model(input_features=torch.tensor(x), is_longer=longer)
        parity.assert_close(pooled, out.pooler_output)
        # A batch of short ones has one spectrogram each.
        _, short = parity.embed(tmp_path, "audio", x[1::2, 0])
        parity.assert_close(short, out.pooler_output[1::2])


@pytest.mark.parametrize("kind", ["ClapAudioModel", "ClapAudioModelWithProjection"])
def test_audio_tower_alone(kind, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    audio = SHAPES["overlapping"]
    config = transformers.ClapAudioConfig(**audio, projection_dim=7)
    model = folder_with(getattr(transformers, kind)(config), tmp_path)
    x = spectrograms(audio, 16)
    raw, _ = parity.embed(tmp_path, "audio", x)
    out = model(input_features=torch.tensor(x)[:, None])
    parity.assert_close(raw, out.audio_embeds if "With" in kind else out.pooler_output)


@pytest.mark.parametrize("kind", ["ClapTextModel", "ClapTextModelWithProjection"])
def test_text_tower_alone(kind, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    config = transformers.ClapTextConfig(**TEXT, projection_dim=7)
    model = folder_with(getattr(transformers, kind)(config), tmp_path)
    ids, real = parity.texts(9, 40, eos=2, pad=1)
    raw, _ = parity.embed(tmp_path, "text", ids)
    out = model(input_ids=torch.tensor(ids).long(), attention_mask=torch.tensor(real))
    parity.assert_close(raw, out.text_embeds if "With" in kind else out.pooler_output)


def made(config, **options):
    """The view of a preprocessor_config.json."""
    from mmjax.data.registry import VIEWS
    from mmjax.weights.families import clap

    return VIEWS.parse(clap.view(config, **options), "audio", "test").build()


@pytest.mark.parametrize("truncation", ["fusion", "rand_trunc"])
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_sounds_are_prepared_as_there(truncation, padding, tmp_path):
    _, transformers = parity.torch_and("transformers")
    theirs = transformers.ClapFeatureExtractor(
        feature_size=12,
        sampling_rate=4000,
        hop_length=50,
        max_length_s=1,
        fft_window_size=128,
        frequency_min=30,
        frequency_max=1900,
        truncation=truncation,
        padding=padding,
    )
    view = made(theirs.to_dict())
    rng = np.random.default_rng(0)
    for samples in (150, 1300, 4000):
        x = rng.normal(size=samples).astype(np.float32) / 10
        expected = theirs(x, sampling_rate=4000, return_tensors="np")["input_features"][0, 0]
        found = view(x, None, False)
        assert found.shape == view.shape == (81, 12)
        np.testing.assert_allclose(found, expected, atol=1e-3)  # decibels
    # A longer one is cut.
    longer = rng.normal(size=9000).astype(np.float32) / 10
    np.testing.assert_array_equal(view(longer, None, False), view(longer[:4000], None, False))


@pytest.mark.parametrize("samples", [3999, 4000, 4049, 4050, 4170, 9000, 23_456])
def test_long_sounds_are_prepared_as_there(samples, monkeypatch):
    _, transformers = parity.torch_and("transformers")
    theirs = transformers.ClapFeatureExtractor(
        feature_size=64,
        sampling_rate=4000,
        hop_length=50,
        max_length_s=1,
        fft_window_size=512,
        frequency_min=30,
        frequency_max=1900,
    )
    view = made(theirs.to_dict(), fuses=True)
    x = np.random.default_rng(0).normal(size=samples).astype(np.float32) / 10
    # They take a part of each third by chance; the one in its middle here.
    monkeypatch.setattr(np.random, "choice", lambda starts: starts[len(starts) // 2])
    expected = theirs(x, sampling_rate=4000, return_tensors="np")["input_features"][0]
    found = view(x, None, False)
    assert found.shape == view.shape == (4, 81, 64)
    np.testing.assert_allclose(found, expected, atol=1e-3)  # decibels
    if samples >= 4170:
        train = [view(x, np.random.default_rng(seed), True) for seed in (0, 0, 1)]
        np.testing.assert_array_equal(train[0], train[1])
        assert (train[0][0] == train[2][0]).all()
        assert samples < 9000 or (train[0][1:] != train[2][1:]).any()


def test_a_folder_with_everything_embeds_sounds(tmp_path):
    """Preprocessing of the folder, and the comparison that `--format=verify` makes."""
    _, transformers = parity.torch_and("transformers")
    import mmjax
    from mmjax.inference.verify import verify

    audio = SHAPES["overlapping"]
    config = transformers.ClapConfig(text_config=TEXT, audio_config=audio, projection_dim=10)
    folder_with(transformers.ClapModel(config), tmp_path / "clap")
    transformers.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=4000,
        hop_length=270,
        max_length_s=1,
        fft_window_size=256,
        frequency_max=1900,
        truncation="rand_trunc",
    ).save_pretrained(tmp_path / "clap")
    _, line = verify(tmp_path / "clap", tmp_path / "report")
    assert "ClapModel: largest differences audio" in line
    sound = np.random.default_rng(0).normal(size=700).astype(np.float32) / 10
    found = mmjax.load(tmp_path / "clap").encode(audio=[sound, np.tile(sound, 5)])
    assert found.shape == (2, 10)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)  # it is repeated five times, too


def test_a_folder_that_fuses(tmp_path):
    _, transformers = parity.torch_and("transformers")
    import mmjax
    from mmjax.inference.verify import verify
    from mmjax.weights.files import WeightsError

    config = transformers.ClapConfig(
        text_config=TEXT, audio_config=SHAPES["fused_overlapping"], projection_dim=10
    )
    folder_with(transformers.ClapModel(config), tmp_path / "clap")
    sounds = transformers.ClapFeatureExtractor(
        feature_size=8,
        sampling_rate=4000,
        hop_length=130,
        max_length_s=1,
        fft_window_size=256,
        frequency_max=1900,
    )
    sounds.save_pretrained(tmp_path / "clap")
    _, line = verify(tmp_path / "clap", tmp_path / "report")
    assert "ClapModel: largest differences audio" in line
    model = mmjax.load(tmp_path / "clap")
    long = np.random.default_rng(0).normal(size=9000).astype(np.float32) / 10
    found = model.encode(audio=[long, long[:4000]])
    assert np.abs(found[0] - found[1]).max() > 1e-3  # all of it is heard
    sounds.truncation = "rand_trunc"
    sounds.save_pretrained(tmp_path / "clap")
    with pytest.raises(WeightsError, match="extractor has truncation='fusion'"):
        mmjax.load(tmp_path / "clap")


def test_what_is_set_aside_is_named(tmp_path):
    _, transformers = parity.torch_and("transformers")
    from mmjax.weights.foreign import Weights

    config = transformers.ClapConfig(
        text_config=TEXT, audio_config=SHAPES["fused"], projection_dim=10
    )
    folder_with(transformers.ClapModel(config), tmp_path)
    loaded = Weights(str(tmp_path)).tower("audio")
    aside = " ".join(loaded.aside)
    assert "mel_conv2d" not in aside
    assert "logit_scale_t" in aside
    assert "encoder/long_sounds/overall/up_norm/norm/mean" in loaded

"""Log-mel spectrograms against librosa's and torchaudio's algorithm in float64, and padding."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.encoders import EncoderError
from mmjax.encoders.audio import AST
from mmjax.encoders.cnn14 import PANNS
from mmjax.encoders.spectrogram import Spectrogram, filterbank, lengths_of, log_mel

# Made by tools/reference_spectrograms.py with librosa and with transformers' AST extractor.
REFERENCE = np.load(Path(__file__).with_name("spectrograms.npz"))
SETTINGS = {
    "slaney": Spectrogram(rate=16_000, window=400, hop=160, fft=512, mels=64, low=50.0),
    "htk": Spectrogram(
        rate=16_000, window=512, hop=200, fft=512, mels=40, low=0.0, high=7000.0, scale="htk"
    ),
    "panns": PANNS,
    "ast": AST,
}


def wave():
    """The signal of the references: chirps and noise, 0.4 s at 16 kHz (also read at 32 kHz)."""
    t = np.arange(6400) / 16_000
    x = 0.4 * np.sin(2 * np.pi * (200 * t + 4000 * t**2)) + 0.2 * np.sin(2 * np.pi * 3000 * t)
    return (x + 0.05 * np.random.default_rng(7).standard_normal(6400)).astype(np.float32)


def spectrogram(x, settings):
    x = jnp.asarray(x)
    run = jax.jit(lambda x: log_mel(x, lengths_of(x), settings))
    return tuple(map(np.asarray, run(x)))


@pytest.mark.smoke
@pytest.mark.parametrize("name", SETTINGS)
def test_as_librosa_and_kaldi(name):
    settings = SETTINGS[name]
    found, mask = spectrogram(wave()[None], settings)
    expected = REFERENCE[name][None]
    frames = int(mask.sum())
    assert frames == (-(-6400 // settings.hop) if name != "ast" else 38)
    assert found.shape[1] == settings.frames(6400) == expected.shape[1]
    np.testing.assert_allclose(found[:, :frames], expected[:, :frames], atol=1e-4, rtol=1e-4)
    assert not found[:, frames:].any()


def test_a_definition_written_plainly():
    """Frame 5 and band 9 by sums in float64."""
    s = Spectrogram(rate=8000, window=100, hop=40, fft=128, mels=12, low=60.0, high=3500.0)
    x = np.random.default_rng(0).standard_normal(1000)
    centre, n = 5 * 40, np.arange(128)
    window = np.zeros(128)
    window[14:114] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(100) / 100)
    part = x[centre - 64 : centre + 64] * window
    power = [abs(np.sum(part * np.exp(-2j * np.pi * k * n / 128))) ** 2 for k in range(65)]

    def mel(f):
        return f / (200 / 3) if f < 1000 else 15 + np.log(f / 1000) * 27 / np.log(6.4)

    grid = np.linspace(0, 4000, 400_001)
    edges = np.interp(np.linspace(mel(60), mel(3500), 14), [mel(f) for f in grid], grid)
    low, middle, high = edges[9:12]
    bins = np.arange(65) * 8000 / 128
    triangle = np.maximum(
        0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    )
    expected = np.log(np.sum(power * triangle * 2 / (high - low)))
    found, _ = spectrogram(x[None].astype(np.float32), s)
    assert abs(found[0, 5, 9] - expected) < 1e-4
    np.testing.assert_allclose(filterbank(s)[:, 9], triangle * 2 / (high - low), atol=1e-6)


@pytest.mark.parametrize("name", ["slaney", "ast"])
@pytest.mark.parametrize("length", [1, 399, 400, 3201])
def test_padding_changes_nothing(name, length):
    settings = SETTINGS[name]
    x = wave()[:length]
    x[-1] = 0.1
    a, real_a = spectrogram(np.pad(x, (0, 500))[None], settings)
    b, real_b = spectrogram(np.pad(x, (0, 2777))[None], settings)
    count = int(real_a.sum())
    assert count == int(real_b.sum()) >= 1
    np.testing.assert_allclose(a[:, :count], b[:, :count], atol=1e-4)


def test_lengths_are_up_to_the_last_sample():
    x = np.zeros((3, 9), np.float32)
    x[0, 4], x[1, 8] = -1, 1
    np.testing.assert_array_equal(lengths_of(jnp.asarray(x)), [5, 9, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fft": 256}, r"^fft=256 is below window=400"),
        (
            {"high": 9000.0},
            r"^low=50.0 and high=9000.0: bands lie between 0 and half of rate=16000",
        ),
        ({"style": "kaldi"}, r"^style='kaldi' has the mel scale 'htk' only"),
        ({"style": "whole"}, r"^style='whole' is not one of 'centred', 'kaldi', 'whisper'$"),
        ({"hop": 0}, r"^hop=0: at least 1 is needed$"),
        ({"std": 0.0}, r"std=0.0 have to be above 0$"),
    ],
)
def test_wrong_settings_are_one_sentence(options, message):
    with pytest.raises(EncoderError, match=message):
        Spectrogram(**options)

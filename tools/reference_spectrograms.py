"""Makes tests/encoders/spectrograms.npz: spectrograms by other programs, for the tests.

    pip install librosa transformers && python tools/reference_spectrograms.py

librosa for centred frames, and transformers' `ASTFeatureExtractor` (its NumPy form of Kaldi's
`fbank`) for AST; both on the signal of tests/encoders/test_spectrogram.py.
"""

import argparse
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def wave() -> np.ndarray:
    """As in the test."""
    t = np.arange(6400) / 16_000
    x = 0.4 * np.sin(2 * np.pi * (200 * t + 4000 * t**2)) + 0.2 * np.sin(2 * np.pi * 3000 * t)
    return (x + 0.05 * np.random.default_rng(7).standard_normal(6400)).astype(np.float32)


def by_librosa(**options) -> np.ndarray:
    """ln of the mel power, [frames, mels]."""
    import librosa

    power = librosa.feature.melspectrogram(y=wave().astype(np.float64), power=2.0, **options)
    return np.log(np.maximum(power, 1e-10)).T


def by_kaldi() -> np.ndarray:
    """AST's features, normalised, without the padding to 1,024 frames."""
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    filters = mel_filter_bank(
        num_frequency_bins=257,
        num_mel_filters=128,
        min_frequency=20,
        max_frequency=8000,
        sampling_rate=16_000,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    features = spectrogram(
        wave().astype(np.float64),
        window_function(400, "hann", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T
    return (features + 4.2677393) / (2 * 4.5689974)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    slaney = {
        "sr": 16_000,
        "n_fft": 512,
        "win_length": 400,
        "hop_length": 160,
        "n_mels": 64,
        "fmin": 50.0,
        "fmax": 8000.0,
    }
    htk = {
        "sr": 16_000,
        "n_fft": 512,
        "win_length": 512,
        "hop_length": 200,
        "n_mels": 40,
        "fmin": 0.0,
        "fmax": 7000.0,
        "htk": True,
    }
    panns = {
        "sr": 32_000,
        "n_fft": 1024,
        "win_length": 1024,
        "hop_length": 320,
        "n_mels": 64,
        "fmin": 50.0,
        "fmax": 14_000.0,
    }
    arrays = {
        "slaney": by_librosa(**slaney),
        "htk": by_librosa(**htk),
        "panns": by_librosa(**panns),
        "ast": by_kaldi(),
    }
    path = ROOT / "tests" / "encoders" / "spectrograms.npz"
    np.savez_compressed(path, **{name: x.astype(np.float32) for name, x in arrays.items()})
    print(path, {name: x.shape for name, x in arrays.items()})


if __name__ == "__main__":
    main()

"""Transformers of waves."""

from encoder_harness import Setting, normal

from mmjax.encoders import AudioTransformer
from mmjax.encoders.spectrogram import Spectrogram

SOUND = Spectrogram(rate=1000, window=32, hop=16, fft=32, mels=8, low=20.0)

SETTINGS = (
    Setting(
        AudioTransformer,
        {
            "samples": 320,
            "spectrogram": SOUND,
            "patch": 4,
            "stride": (3, 4),
            "width": 16,
            "depth": 2,
            "heads": 2,
        },
        inputs=normal(320),
        variants=({}, {"samples": 130, "fusion": "attention"}),
    ),
)

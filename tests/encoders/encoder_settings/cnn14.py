"""Convolutional networks of waves."""

from encoder_harness import Setting, normal

from mmjax.encoders import CNN14
from mmjax.encoders.spectrogram import Spectrogram

SOUND = Spectrogram(rate=1000, window=32, hop=16, fft=32, mels=8, low=20.0)

SETTINGS = (
    Setting(
        CNN14,
        {"samples": 320, "spectrogram": SOUND, "widths": (8, 12)},
        inputs=normal(320),
        variants=({}, {"norm": "group", "samples": 130, "fusion": "max"}),
        dropping=({"dropout": 0.2, "norm": "layer"},),
    ),
)
